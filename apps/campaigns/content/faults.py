from dataclasses import dataclass

ERROR, ADVICE = "error", "advice"


@dataclass(frozen=True)
class Fault:
    """severity: error, which holds the launch, or advice. where: the content's key and the part of it.
    words: what is wrong and what to do.
    """

    severity: str
    where: str
    words: str
