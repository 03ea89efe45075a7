"""`diff`: what an edit between two commits does to every stack."""
