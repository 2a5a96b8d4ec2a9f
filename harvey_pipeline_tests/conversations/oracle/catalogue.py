"""Section 2, the catalogue as it stands where no other is named: lists of words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Catalogue:
    """Lists of words that a text is searched for, all in normal form.

    `use_cases` and `actions` are in order. `vision` holds the use cases that the product is made
    for; where it is empty, none is stated.
    """

    use_cases: Mapping[str, Sequence[str]]
    actions: Mapping[str, Sequence[str]]
    positive: Sequence[str]
    love: Sequence[str]
    negative: Sequence[str]
    request: Sequence[str]
    sharing_phrases: Sequence[str]
    sharing_words: Sequence[str]
    creation_words: Sequence[str]
    credit_words: Sequence[str]
    preference_keys: Sequence[str]
    vision: Sequence[str] = ()


DEFAULT = Catalogue(
    use_cases={
        "contract_review": ("contract", "agreement", "clause", "nda", "redline"),
        "legal_research": ("case law", "precedent", "statute", "citation", "legal research"),
        "due_diligence": ("due diligence", "data room", "disclosure schedule"),
        "litigation": ("litigation", "deposition", "discovery", "motion"),
        "compliance": ("compliance", "regulat", "gdpr", "policy"),
        "summarization": ("summar", "key points"),
        "translation": ("translat",),
        "marketing_content": ("marketing", "campaign", "ad copy", "newsletter", "landing page"),
        "social_media": ("social media", "instagram", "tiktok", "linkedin", "clip"),
        "personal_video": ("video", "birthday", "wedding"),
        "image_creation": ("image", "picture", "logo", "photo"),
        "drafting": ("draft", "memo", "letter", "a brief", "the brief"),
    },
    actions={
        "create": ("draft", "write", "create", "generate", "make", "design"),
        "find": ("find", "search", "look up", "locate"),
        "explain": ("explain", "what is", "what are", "how do", "why"),
        "change": ("edit", "change", "revise", "rewrite", "translat", "shorten"),
        "check": ("review", "check", "compare", "analy", "proofread"),
        "summarize": ("summar",),
    },
    positive=("love", "thank", "great", "perfect", "awesome", "exactly what"),
    love=("i love this", "i love it", "love this", "love it"),
    negative=(
        "doesn t work",
        "does not work",
        "not working",
        "not what i",
        "wrong",
        "useless",
        "frustrat",
        "try again",
    ),
    request=(
        "can you add",
        "could you add",
        "please add",
        "i wish",
        "would be nice",
        "feature request",
        "is there a way to",
        "why can t i",
        "do you support",
    ),
    sharing_phrases=(
        "share with my team",
        "share this with",
        "invite my",
        "invite a",
        "recommend this",
    ),
    sharing_words=("share", "invite", "refer"),
    creation_words=("gen", "generate", "create", "draft", "write", "edit"),
    credit_words=(
        "insufficient credit",
        "out of credit",
        "no credit",
        "credits exhausted",
        "credit limit",
        "quota exceeded",
    ),
    preference_keys=("style", "tone", "format", "language", "length", "jurisdiction"),
)
