"""The shared base of all recognizers: component, decoding, bridge to torch, CRF, interface of the loss terms."""
