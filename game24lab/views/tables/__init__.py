"""Tables: columns by specification, shown in notebooks, as plain text and in reports."""
