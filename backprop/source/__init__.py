"""Plans and networks as generated NumPy code."""

from backprop.source.ledger import RecordingLedger
from backprop.source.nodes import RecordingError
from backprop.source.plans import plan_arguments, plan_source
from backprop.source.recording import Recorded, Recording

__all__ = ["Recorded", "Recording", "RecordingError", "RecordingLedger", "plan_arguments", "plan_source"]
