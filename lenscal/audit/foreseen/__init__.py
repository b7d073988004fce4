"""What a run would refuse in any of its stages for reasons that are known beforehand: asked by `lenscal preflight` one
by one, and by a run before it begins, so that both say the same sentence.
"""

from lenscal.audit.foreseen.asking import Question, hold, questions
from lenscal.audit.foreseen.catalogues import root

__all__ = ["Question", "hold", "questions", "root"]
