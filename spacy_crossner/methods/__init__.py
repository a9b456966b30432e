"""The methods, a folder for each paper's idea: component, head, losses."""
