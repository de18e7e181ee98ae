"""The script that Streamlit's AppTest runs in the place of fluxsync_main.py."""

from pathlib import Path

SCRIPT = Path(__file__).with_name("under_test.py")
