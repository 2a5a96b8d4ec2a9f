"""`harvey analyze-segments`: from landing files and a model's answers to opinions of users."""

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.builders import EVENTS_WITH_ID, FIRMS, USERS, csv_text, landing_file
from harvey_pipeline_tests.cli.commands import Finished, assert_refused, run_harvey
from harvey_pipeline_tests.llm.model_server import Asked, Reply, serving

pytestmark = pytest.mark.services

MONDAY = date(2024, 6, 3)
DAYS = [MONDAY - timedelta(days=ago) for ago in range(9, -1, -1)]
APPS = ("ASSISTANT", "VAULT", "WORKFLOW")

OPINION = {
    "segment": "power",
    "sub_segment": "Daily drafter",
    "confidence": 0.55,
    "reasoning": "200 accesses in the window of 90 days.",
    "evidence": ["3 apps are used in earnest."],
    "churn_risk": "very_low",
}
ADVICE = {
    "recommendations": [
        {
            "category": "Training",
            "suggestion": "Share your templates.",
            "reasoning": "Works on 10 days.",
            "estimated_time_savings_hours_month": 3,
            "priority": "high",
            "implementation_cost_usd_year": 150,
        }
    ]
}
MADE_UP = OPINION | {"reasoning": "There were 777 accesses."}


def land(root: Path) -> None:
    """Ten days: ann works 20 queries a day in three apps, bob and cy hardly; both are flagged."""
    for day in DAYS:
        queries = [
            f"{day} 09:{3 * number:02}:00,t-secret,ann-secret,{APPS[number % 3]},1,5,{day}-{number}"
            for number in range(20)
        ]
        if day == MONDAY:
            queries += [
                f"{day} 09:00:00,t-secret,bob-secret,VAULT,1,5,b1",
                f"{day} 09:00:00,t-secret,cy-secret,VAULT,1,5,c1",
                f"{day} 09:30:00,t-secret,cy-secret,VAULT,1,5,c2",
            ]
        people = [f"{name}-secret,2024-01-01,Partner" for name in ("ann", "bob", "cy")]
        landing_file(root, f"users/{day}.csv", csv_text(USERS, *people))
        landing_file(root, f"firms/{day}.csv", csv_text(FIRMS, "t-secret,2024-01-01,10,100"))
        landing_file(root, f"events/{day}.csv", csv_text(EVENTS_WITH_ID, *queries))
    flagged = [f"{name}-secret,review,{MONDAY}" for name in ("bob", "cy")]
    landing_file(
        root, f"segment_labels/{MONDAY}.csv", csv_text("user_id,label,labelled_on", *flagged)
    )


def answer(asked: Asked) -> Reply:
    """Ann gets an opinion and advice, bob an opinion with a number that nobody told, cy a plain
    one."""
    accesses = json.loads(asked.given)["user"]["total_accesses"]
    if "recommendations" in asked.told:
        return Reply(ADVICE)
    told: dict[int, dict[str, Any]] = {
        200: OPINION,
        1: MADE_UP,
        2: OPINION | {"confidence": 0.9, "reasoning": "2 accesses.", "evidence": ["Rare."]},
    }
    return Reply(told[accesses])


@dataclass
class Story:
    """A warehouse of that Monday, what commands said in it, and what was there after each."""

    folder: Path
    settings: dict[str, str]
    done: dict[str, Finished] = field(default_factory=dict)
    opinions: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    asked_after: dict[str, int] = field(default_factory=dict)

    def harvey(self, step: str, *arguments: str, **settings: str) -> None:
        """Run a command, and note what it leaves."""
        self.done[step] = run_harvey(self.folder, *arguments, **(self.settings | settings))
        self.asked_after[step] = len(self.asked)
        self.opinions[step] = self.rows(
            "select user_id, segment, sub_segment, confidence, evidence, churn_risk, model, "
            "prompt_version, agrees from segments.llm_opinions order by user_id"
        )

    def said(self, step: str) -> str:
        done = self.done[step]
        return " ".join((done.stdout + done.stderr).split())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        path = published_path(self.folder / "warehouse.duckdb")
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.sql(sql).fetchall()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The Monday is run, then asked about, run again, and asked about again."""
    folder = tmp_path_factory.mktemp("asked")
    land(folder)
    with serving(answer) as server:
        story = Story(
            folder,
            {
                "HARVEY_LANDING_DIR": str(folder / "landing"),
                "HARVEY_WAREHOUSE": str(folder / "warehouse.duckdb"),
                "HARVEY_START_DATE": str(DAYS[0]),
                "HARVEY_END_DATE": str(MONDAY),
                "HARVEY_SUBJECTS": "engagement,segments",
                "HARVEY_HASH_SECRET": "salt of pseudonyms",
            },
        )
        story.asked = server.asked
        story.harvey("run", "run")
        story.harvey("unset", "analyze-segments")
        story.settings |= {
            "HARVEY_LLM_MODEL": "large-1",
            "HARVEY_LLM_URL": server.openai_url,
            "HARVEY_LLM_KEY": "key",
            "HARVEY_LLM_PRICE": "1/2",
            "HARVEY_LLM_BUDGET_USD": "10",
        }
        story.harvey("no Monday", "analyze-segments", "--day", "2024-06-04")
        story.harvey("no secret", "analyze-segments", HARVEY_HASH_SECRET="")
        story.harvey("ask", "analyze-segments")
        story.harvey("take in", "run")
        story.harvey("ask again", "analyze-segments")
    return story


def test_nothing_is_asked_as_long_as_nothing_is_set(story: Story) -> None:
    assert story.done["run"].returncode in (0, 1), story.said("run")
    assert_refused(story.done["unset"], "HARVEY_LLM_MODEL")
    assert_refused(story.done["no Monday"], "2024-06-04 is no Monday", "--day 2024-06-03")
    assert_refused(story.done["no secret"], "HARVEY_HASH_SECRET")
    assert story.asked_after["no secret"] == 0
    assert story.opinions["no secret"] == []


def test_users_are_asked_about_once_and_invalid_answers_once_more(story: Story) -> None:
    """Ann is asked about twice, for there is advice for her; bob's answer is asked for again.

    A call reads 1,000 tokens and writes 100, at 1 and 2 USD a million: 0.0012 USD.
    """
    assert story.done["ask"].returncode == 0, story.said("ask")
    assert "3 users of 2024-06-03: 4 questions." in story.said("ask")
    assert "4 questions: 3 told by a model, 1 without a valid answer." in story.said("ask")
    assert "5 calls, 0.0060 USD; 0.0060 of 10 USD this month." in story.said("ask")
    assert story.asked_after["ask"] == 5


def test_only_figures_are_sent(story: Story) -> None:
    for asked in story.asked:
        assert "secret" not in json.dumps(asked.body)


def test_answers_become_opinions_by_the_next_run_and_invalid_ones_do_not(story: Story) -> None:
    assert story.opinions["ask"] == []
    assert story.done["take in"].returncode in (0, 1), story.said("take in")
    assert story.asked_after["take in"] == 5
    rules = dict(story.rows("select user_id, segment from segments.current_segments"))
    assert rules["ann-secret"] == "power"
    assert rules["cy-secret"] != "power"
    given = ("power", "Daily drafter")
    told_by = ("very_low", "large-1", "v1")
    assert story.opinions["take in"] == [
        ("ann-secret", *given, 0.55, ["3 apps are used in earnest."], *told_by, True),
        ("cy-secret", *given, 0.9, ["Rare."], *told_by, False),
    ]


def test_advice_is_there_for_whom_it_was_asked(story: Story) -> None:
    advice = dict(story.rows("select user_id, recommendations from segments.llm_opinions"))
    assert json.loads(advice["ann-secret"]) == ADVICE["recommendations"]
    assert advice["cy-secret"] is None


def test_the_same_figures_are_not_asked_about_again(story: Story) -> None:
    """But bob's, twice, about whom there is no answer yet."""
    assert "3 known already, 1 without a valid answer" in story.said("ask again")
    assert story.asked_after["ask again"] == 7


def test_versions_of_prompts_are_compared(story: Story) -> None:
    """Of 6 calls for a segment 4 had a number that nobody told."""
    found = story.rows(
        "select purpose, prompt_version, model, calls, invalid_percent, opinions "
        "from segments.prompt_versions"
    )
    assert found == [
        ("recommend_interventions", "v1", "large-1", 1, 0.0, None),
        ("segment_user", "v1", "large-1", 6, pytest.approx(400 / 6), 2),
    ]


def test_words_are_shown_beside_the_rules(story: Story) -> None:
    words = story.rows(
        "select user_id, model_reasoning, needs_review from segments.current_segments "
        "where model_reasoning is not null order by 1"
    )
    assert words[0] == ("ann-secret", "200 accesses in the window of 90 days.", True)
    story.harvey("ann", "segments", "--user", "ann-secret")
    story.harvey("bob", "segments", "--user", "bob-secret")
    assert "A model's opinion (large-1, prompt v1)" in story.said("ann")
    assert "Share your templates." in story.said("ann")
    assert "A model's opinion" not in story.said("bob")
