"""The data set's seven tables, and what their answers mean in learning records."""

from __future__ import annotations

from collections.abc import Mapping

COLUMNS = {
    "courses": ("code_module", "code_presentation", "module_presentation_length"),
    "assessments": (
        "code_module",
        "code_presentation",
        "id_assessment",
        "assessment_type",
        "date",
        "weight",
    ),
    "vle": ("id_site", "code_module", "code_presentation", "activity_type"),
    "studentInfo": (
        "code_module",
        "code_presentation",
        "id_student",
        "gender",
        "region",
        "highest_education",
        "imd_band",
        "age_band",
        "num_of_prev_attempts",
        "studied_credits",
        "disability",
        "final_result",
    ),
    "studentRegistration": (
        "code_module",
        "code_presentation",
        "id_student",
        "date_registration",
        "date_unregistration",
    ),
    "studentAssessment": ("id_assessment", "id_student", "date_submitted", "is_banked", "score"),
    "studentVle": (
        "code_module",
        "code_presentation",
        "id_student",
        "id_site",
        "date",
        "sum_click",
    ),
}
#: Columns of words; the others hold numbers.
TEXT = frozenset(
    [
        "code_module",
        "code_presentation",
        "assessment_type",
        "activity_type",
        "gender",
        "region",
        "highest_education",
        "imd_band",
        "age_band",
        "disability",
        "final_result",
    ]
)

GENDER = {"F": "female", "M": "male"}
AGE = {"0-35": "0-34", "35-55": "35-54", "55<=": "55-"}
EDUCATION = {
    "No Formal quals": 1,
    "Lower Than A Level": 2,
    "A Level or Equivalent": 3,
    "HE Qualification": 5,
    "Post Graduate Qualification": 7,
}
#: Middle of each tenth of areas by the index of multiple deprivation, the most deprived first.
#: The published tables write the second tenth without its percent sign.
MEANS = {
    f"{low}-{low + 10}{percent}": (low + 5) / 100
    for low in range(0, 100, 10)
    for percent in ("%", "")
}
DISABILITY = {"Y": True, "N": False}
STATUS = {
    "Pass": "completed",
    "Distinction": "completed",
    "Fail": "completed",
    "Withdrawn": "withdrawn",
}
PASSED = {"Pass": True, "Distinction": True, "Fail": False, "Withdrawn": False}
KIND = {
    "homepage": "home",
    "oucontent": "content",
    "resource": "content",
    "dualpane": "content",
    "folder": "content",
    "page": "page",
    "subpage": "page",
    "sharedsubpage": "page",
    "url": "link",
    "oucollaborate": "live",
    "ouelluminate": "live",
    "forumng": "forum",
    "ouwiki": "wiki",
    "quiz": "quiz",
    "externalquiz": "quiz",
    "dataplus": "exercise",
    "htmlactivity": "exercise",
    "repeatactivity": "exercise",
    "glossary": "glossary",
    "questionnaire": "other",
}
#: Platform that enrols and assesses, and knows every learner.
REGISTRY = "registry"
#: Other platform -> the kinds of resource that it has.
PLATFORMS = {
    "library": (
        "homepage",
        "oucontent",
        "resource",
        "subpage",
        "sharedsubpage",
        "url",
        "page",
        "folder",
        "dualpane",
        "htmlactivity",
        "glossary",
        "dataplus",
    ),
    "live": (
        "forumng",
        "ouwiki",
        "ouelluminate",
        "oucollaborate",
        "quiz",
        "externalquiz",
        "questionnaire",
        "repeatactivity",
    ),
}
#: Column of studentInfo -> canonical column and the answers that are understood.
ANSWERS: dict[str, tuple[str, Mapping[str, object]]] = {
    "gender": ("gender", GENDER),
    "age_band": ("age_band", AGE),
    "highest_education": ("education_level", EDUCATION),
    "imd_band": ("means", MEANS),
    "disability": ("support_need", DISABILITY),
}
