"""A model that grades passages and answers. Optional: no other part of the evals needs one."""

from tercet.evals.judging.agreement import Calibration, calibrate
from tercet.evals.judging.items import JudgeItem, answers_of, passages_of
from tercet.evals.judging.judge import Judge
from tercet.evals.judging.judgement import Judgement, judgement_lines
from tercet.evals.judging.rubrics import ANSWER_RUBRIC, PASSAGE_RUBRIC, Rubric
from tercet.evals.judging.verdict_cache import VerdictCache, default_verdict_file
from tercet.evals.judging.verdicts import JudgedItem, Verdict

__all__ = [
    "ANSWER_RUBRIC",
    "PASSAGE_RUBRIC",
    "Calibration",
    "Judge",
    "JudgeItem",
    "JudgedItem",
    "Judgement",
    "Rubric",
    "Verdict",
    "VerdictCache",
    "answers_of",
    "calibrate",
    "default_verdict_file",
    "judgement_lines",
    "passages_of",
]
