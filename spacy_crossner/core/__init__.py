"""What every recognizer shares: the component, decoding, the bridge to torch, the CRF, the losses' contract."""
