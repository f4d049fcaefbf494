"""Plans and networks as generated NumPy code."""

from backprop.compiling.nodes import RecordingError
from backprop.compiling.plans import plan_arguments, plan_source
from backprop.compiling.recording import Recorded, Recording
from backprop.compiling.recording_ledger import RecordingLedger

__all__ = ["Recorded", "Recording", "RecordingError", "RecordingLedger", "plan_arguments", "plan_source"]
