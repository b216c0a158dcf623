"""What each report says, section by section."""
