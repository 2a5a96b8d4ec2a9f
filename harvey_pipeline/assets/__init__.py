"""The asset graph: wiring only. Each asset hands its inputs to a transform."""
