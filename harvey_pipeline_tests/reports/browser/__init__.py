"""Pages as a browser shows them: chosen by `-m browser`."""
