"""Draw figures: sheets, strips, films and plots. No module here imports torch."""
