"""What the environment says of models: whose key goes where, and what is refused."""

import pytest

from harvey_pipeline.llm.settings import LlmSettings, Price, Provider, read_llm_settings
from harvey_pipeline.settings import SettingsError


def test_nothing_is_configured_without_a_model() -> None:
    assert read_llm_settings({}) == LlmSettings()
    assert read_llm_settings({"HARVEY_LLM_KEY": "k"}).models == ()


def test_the_general_variables_are_the_first_providers() -> None:
    """A key goes to nobody but whom it is for."""
    found = read_llm_settings(
        {
            "HARVEY_LLM_PROVIDERS": "anthropic, openai",
            "HARVEY_LLM_MODEL": "one",
            "HARVEY_LLM_KEY": "key-of-one",
            "HARVEY_LLM_URL": "http://localhost:1",
            "HARVEY_LLM_PRICE": "1/5",
            "HARVEY_LLM_OPENAI_MODEL": "two",
        }
    )
    assert found.providers == (
        Provider("anthropic", "one", "http://localhost:1", "key-of-one", Price(1, 5)),
        Provider("openai", "two"),
    )
    assert found.models == ("one", "two")


def test_a_providers_own_variables_come_before_the_general_ones() -> None:
    found = read_llm_settings(
        {
            "HARVEY_LLM_MODEL": "general",
            "HARVEY_LLM_OPENAI_MODEL": "own",
            "HARVEY_LLM_KEY": "general",
            "HARVEY_LLM_OPENAI_KEY": "own",
            "HARVEY_LLM_OPENAI_URL": "https://example.com/v1",
            "HARVEY_LLM_OPENAI_PRICE": "0.25/2",
        }
    )
    assert found.providers == (
        Provider("openai", "own", "https://example.com/v1", "own", Price(0.25, 2)),
    )


def test_budget_stop_and_shares() -> None:
    found = read_llm_settings(
        {
            "HARVEY_LLM_BUDGET_USD": "12.5",
            "HARVEY_LLM_STOP": "1",
            "HARVEY_PROMPTS": "segment_user = v1:90, v2:10; analyze_intent=v2",
        }
    )
    assert (found.budget_usd, found.is_stopped) == (12.5, True)
    assert found.shares == {
        "segment_user": (("v1", 90), ("v2", 10)),
        "analyze_intent": (("v2", 100),),
    }
    for text in ("", "0", "false", "no"):
        assert not read_llm_settings({"HARVEY_LLM_STOP": text}).is_stopped


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"HARVEY_LLM_PROVIDERS": "nobody"}, "HARVEY_LLM_PROVIDERS names 'nobody'"),
        ({"HARVEY_LLM_PROVIDERS": "openai,openai"}, "name each once"),
        ({"HARVEY_LLM_PROVIDERS": "openai"}, "HARVEY_LLM_MODEL is not set"),
        (
            {"HARVEY_LLM_PROVIDERS": "openai,anthropic", "HARVEY_LLM_MODEL": "m"},
            "HARVEY_LLM_ANTHROPIC_MODEL is not set",
        ),
        ({"HARVEY_LLM_MODEL": "a b"}, "without blanks"),
        ({"HARVEY_LLM_MODEL": "m", "HARVEY_LLM_URL": "localhost:1"}, "HARVEY_LLM_URL is no addr"),
        ({"HARVEY_LLM_MODEL": "m", "HARVEY_LLM_URL": "http://a:x"}, "HARVEY_LLM_URL is no addr"),
        ({"HARVEY_LLM_MODEL": "m", "HARVEY_LLM_PRICE": "1"}, "HARVEY_LLM_PRICE is '1'"),
        ({"HARVEY_LLM_BUDGET_USD": "-1"}, "HARVEY_LLM_BUDGET_USD is '-1'"),
        ({"HARVEY_PROMPTS": "a=v1:90"}, "add up to 100"),
        ({"HARVEY_PROMPTS": "a=v1:50,v1:50"}, "name each purpose and version once"),
        ({"HARVEY_PROMPTS": "a=v1;a=v2"}, "name each purpose and version once"),
        ({"HARVEY_PROMPTS": "a"}, "add up to 100"),
        ({"HARVEY_PROMPTS": "a=v1:x"}, "add up to 100"),
        ({"HARVEY_PROMPTS": "a=../v1"}, "add up to 100"),
    ],
)
def test_what_cannot_be_used_is_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read_llm_settings(given)


def test_a_key_is_in_no_text() -> None:
    given = {"HARVEY_LLM_MODEL": "m", "HARVEY_LLM_KEY": "sk-secret"}
    assert "sk-secret" not in repr(read_llm_settings(given))
    with pytest.raises(SettingsError) as caught:
        read_llm_settings({**given, "HARVEY_LLM_KEY": "sk-secret\n"})
    assert "sk-secret" not in str(caught.value)


def test_a_price_is_of_a_million_tokens() -> None:
    assert Price(0.25, 2).cost(2_000_000, 500_000) == 1.5
