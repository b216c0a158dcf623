"""Search trees: layout, drawing, the viewer and the explorer."""
