"""Pictures: pixels, sheets and plots. Nothing here knows torch."""
