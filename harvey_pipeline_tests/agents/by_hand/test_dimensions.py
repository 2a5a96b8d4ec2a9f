"""The reference on shops, agents, customers, annotators and dates, worked out by hand."""

from datetime import date
from pathlib import Path

from harvey_pipeline_tests.agents.by_hand.landed import (
    APPROVALS,
    FEEDBACK,
    FIRST,
    QUERIES,
    jan,
    january,
    landed,
    one,
    reasons,
    values_of,
)

# --- Histories -----------------------------------------------------------------------------------


def test_the_history_of_a_shop(tmp_path: Path) -> None:
    """The shop of the page's example: five others stay as they are."""
    header = "shop_domain,plan_type,monthly_orders"
    others = "".join(f"o{number},free,\n" for number in range(5))
    files = {
        f"shops/{jan(day)}": f"{header}\n{others}{own}"
        for day, own in (
            (1, "S1,free,\n"),
            (3, "s1,Pro,\n"),
            (4, "s1,free,oops\n"),
            (5, ""),
            (7, "s1,pro,\n"),
        )
    }
    files |= {
        f"agent_queries/{jan(day)}": f"{QUERIES}\nq{day},s1,{jan(day)}\nx{day},o9,{jan(day)}\n"
        for day in (1, 2, 4, 6, 7)
    }
    tables = landed(tmp_path, files, 7)
    versions = [row for row in tables["agents.dim_shop"] if row["shop_domain"] == "s1"]
    assert values_of(versions, "shop_sk", "plan_type", "expiration_date", "is_current") == [
        ("s1_20240101", "free", january(2), False),
        ("s1_20240103", "pro", january(4), False),
        ("s1_20240107", "pro", None, True),
    ]
    facts = tables["agents.fact_agent_query"]
    assert values_of(facts, "source_id", "shop_sk") == [
        ("q1", "s1_20240101"),
        ("q2", "s1_20240101"),
        ("q4", "s1_20240103"),
        ("q6", "s1_20240103"),
        ("q7", "s1_20240107"),
        *((f"x{day}", "unknown") for day in (1, 2, 4, 6, 7)),
    ]
    unknown = one(tables["agents.dim_shop"], shop_sk="unknown")
    assert (unknown["effective_date"], unknown["is_current"]) == (date(1970, 1, 1), True)
    assert (january(4), 7, ["unreadable_monthly_orders"]) in reasons(tables)


def test_an_agent_type_counts_from_its_first_version(tmp_path: Path) -> None:
    files = {
        f"agent_types/{jan(2)}": "agent_type_code,agent_name,is_active\n"
        "tax-agent,Tax,\nCX-Agent,,true\nb,,\nc,,\nd,,\n",
        f"agent_types/{jan(4)}": "agent_type_code,agent_name,is_active\n"
        "cx-agent,Carl,false\nb,,\nc,,\nd,,\n",
        **{
            f"agent_queries/{jan(day)}": f"{QUERIES},agent_type\n"
            f"t{day},s,{jan(day)},TAX-agent\nn{day},s,{jan(day)},\nc{day},s,{jan(day)},cx-agent\n"
            for day in (1, 5)
        },
    }
    tables = landed(tmp_path, files, 5)
    facts = tables["agents.fact_agent_query"]
    assert values_of(facts, "source_id", "agent_type_sk", "agent_type_code") == [
        ("c1", "cx-agent", "cx-agent"),
        ("c5", "cx-agent", "cx-agent"),
        ("n1", "unknown", "unknown"),
        ("n5", "unknown", "unknown"),
        ("t1", "unknown", "tax-agent"),
        ("t5", "tax-agent", "tax-agent"),
    ]
    types = tables["agents.dim_agent_type"]
    told = ("agent_name", "agent_category", "is_active", "effective_date", "last_updated")
    assert values_of([one(types, agent_type_code="cx-agent")], *told) == [
        ("Carl", None, False, january(2), january(4))
    ]
    assert values_of([one(types, agent_type_code="tax-agent")], *told) == [
        ("Tax", None, False, january(2), january(2))
    ]
    assert values_of([one(types, agent_type_code="product-agent")], *told) == [
        ("Product Information Agent", "sales", True, None, None)
    ]
    assert len(types) == 9


# --- Customers and annotators --------------------------------------------------------------------

CUSTOMERS = "customer_email,shop_domain,customer_name,order_count,lifetime_value"
DRAFT = f"{APPROVALS},customer_email,customer_name,recommended_action"


def drafts(*of: tuple[str, date, str]) -> dict[str, str]:
    """Drops of drafts: the customer, the day, what is recommended."""
    texts: dict[str, str] = {}
    for number, (email, day, action) in enumerate(of):
        name = f"agent_approvals/{day}"
        texts.setdefault(name, f"{DRAFT}\n")
        texts[name] += f"{number},c,s,pending,{day},{email},Name {number},{action}\n"
    return texts


def test_customers_fall_into_segments(tmp_path: Path) -> None:
    """The last of 100 days is 9 April: its 30 days begin on 11 March, its 90 days on 11 January."""
    files = {
        "customers": f"{CUSTOMERS}\nrich@x,s,,2,1000\nbusy@x,s,,10,\nalmost@x,s,,9,999.99\n"
        "never@x,s,Nev,1,0\nquiet@x,s,Given,,\nmany@x,s,,2,\ntrouble@x,s,,50,9999\n",
        **drafts(
            ("rich@x", january(5), ""),
            ("busy@x", date(2024, 4, 9), ""),
            ("almost@x", date(2024, 4, 9), ""),
            ("many@x", date(2024, 4, 9), ""),
            ("young@x", date(2024, 3, 11), ""),
            ("old@x", date(2024, 3, 10), ""),
            ("silent@x", january(9), ""),
            ("silent@x", january(10), ""),
            ("quiet@x", january(9), ""),
            ("quiet@x", january(11), ""),
            ("once@x", january(1), ""),
            ("once@x", january(1), ""),
            ("trouble@x", date(2024, 3, 11), "escalate"),
            ("trouble@x", date(2024, 3, 11), "escalate"),
            ("past@x", date(2024, 3, 10), "escalate"),
            ("past@x", date(2024, 3, 11), "escalate"),
        ),
    }
    customers = landed(tmp_path, files, 100)["agents.dim_customer"]
    assert values_of(customers, "customer_email", "customer_segment") == [
        ("almost@x", "returning"),
        ("busy@x", "vip"),
        ("many@x", "returning"),
        ("never@x", "new"),
        ("old@x", "returning"),
        ("once@x", "returning"),
        ("past@x", "returning"),
        ("quiet@x", "returning"),
        ("rich@x", "vip"),
        ("silent@x", "at-risk"),
        ("trouble@x", "at-risk"),
        ("unknown", None),
        ("young@x", "new"),
    ]
    silent = one(customers, customer_email="silent@x")
    assert silent["customer_sk"] == "silent@x|s"
    assert (silent["interactions"], silent["interaction_days"]) == (2, 2)
    assert silent["first_interaction_date"] == january(9)
    assert silent["last_interaction_date"] == january(10)
    assert (silent["customer_name"], silent["lifetime_value_usd"]) == ("Name 7", None)
    assert one(customers, customer_email="quiet@x")["customer_name"] == "Given"
    never = one(customers, customer_email="never@x")
    assert (never["customer_name"], never["interactions"]) == ("Nev", 0)
    assert (never["first_interaction_date"], never["lifetime_value_usd"]) == (None, 0)


def test_a_days_customer_has_the_name_of_the_latest_draft_that_has_one(tmp_path: Path) -> None:
    text = (
        f"{DRAFT}\n"
        f"9,c,s,pending,{jan(1)} 10:00,a@x,Nine,escalate\n"
        f"10,c,S,pending,{jan(1)} 10:00,A@x,Ten,\n"
        f"11,c,s,pending,{jan(1)} 11:00,a@x,,escalate\n"
        f"12,c,,pending,{jan(1)},a@x,Twelve,\n"
        f"13,c,s,pending,{jan(1)},,Thirteen,\n"
    )
    rows = landed(tmp_path, {f"agent_approvals/{jan(1)}": text}, 1)["agents.customer_daily"]
    columns = ("customer_sk", "shop_domain", "drafts", "escalated_drafts", "customer_name")
    assert values_of(rows, *columns) == [
        ("a@x|s", "s", 3, 2, "Nine"),
        ("a@x|unknown", "unknown", 1, 0, "Twelve"),
    ]


def test_annotators_and_their_annotations(tmp_path: Path) -> None:
    scores = "clarity_score,accuracy_score,helpfulness_score,tone_score"
    files = {
        f"annotators/{jan(1)}": "annotator_email,role,is_active\n"
        "ann@x,Lawyer,\nbo@x,,no\ncy@x,,0\ngone@x,,1\nd@x,,\ne@x,,\n",
        f"annotators/{jan(2)}": "annotator_email,role\nann@x,Judge\ncy@x,\nbo@x,\nd@x,\ne@x,\n",
        f"agent_feedback/{jan(2)}": f"{FEEDBACK},{scores},is_safe_to_send,labels,rubric,notes\n"
        f'1,ANN@x,s,{jan(1)},5,4.0,,,t,[],{{}},"\t\n "\n'
        f'2,ann@x,s,{jan(2)},1,6,,,f,"[0]","{{""a"":1}}",!\n'
        f"3,ann@x,s,{jan(2)},,,,,,,,\n"
        f"4,,s,{jan(2)},2,2,2,3,,[,1,\n"
        f"5,new@x,s,{jan(2)},0,,,4.5,,,,\n"
        f"6,x@x,s,{jan(2)},,,,,1,,,\n7,x@x,s,{jan(2)},,,,,,,,\n",
    }
    tables = landed(tmp_path, files, 2)
    columns = ("source_id", "overall_score", "has_labels", "has_rubric", "has_notes")
    assert values_of(tables["agents.fact_training_feedback"], *columns, "notes_length") == [
        ("1", 4.5, False, False, False, 3),
        ("2", 1.0, True, True, True, 1),
        ("3", None, False, False, False, None),
        ("4", 2.25, False, False, False, None),
        ("5", None, False, False, False, None),
        ("6", None, False, False, False, None),
        ("7", None, False, False, False, None),
    ]
    annotators = tables["agents.dim_annotator"]
    columns = ("annotator_sk", "role", "is_active", "total_annotations", "avg_quality_score")
    assert values_of(annotators, *columns) == [
        ("ann@x", "judge", True, 3, 2.75),
        ("bo@x", None, True, 0, None),
        ("cy@x", None, True, 0, None),
        ("d@x", None, True, 0, None),
        ("e@x", None, True, 0, None),
        ("gone@x", None, False, 0, None),
        ("new@x", None, True, 1, None),
        ("unknown", None, None, 1, 2.25),
        ("x@x", None, True, 2, None),
    ]
    ann = one(annotators, annotator_sk="ann@x")
    assert (ann["first_annotation_date"], ann["last_annotation_date"]) == (january(1), january(2))
    of_day = one(tables["agents.daily_annotation_quality"], annotator_sk="ann@x", date=january(2))
    assert (of_day["annotations"], of_day["scored_annotations"]) == (2, 1)
    assert (of_day["safe_annotations"], of_day["safety_rate"]) == (0, 0)
    safe = one(tables["agents.daily_annotation_quality"], annotator_sk="x@x")
    assert (safe["annotations"], safe["safe_annotations"], safe["safety_rate"]) == (2, 1, 100)


# --- Dates ---------------------------------------------------------------------------------------


def test_the_calendar(tmp_path: Path) -> None:
    tables = landed(tmp_path, {}, 1, fiscal_start=7, today="2024-12-31")
    dates = {row["date_actual"]: row for row in tables["agents.dim_date_today"]}
    assert (min(dates), max(dates), len(dates)) == (FIRST, date(2025, 12, 31), 366 + 365)
    day = dates[date(2024, 12, 30)]
    assert (day["date_sk"], day["day_of_week"], day["month_name"]) == (20241230, 1, "December")
    assert (day["week_of_year"], day["iso_year"], day["day_of_year"]) == (1, 2025, 365)
    fiscal = (day["fiscal_year"], day["fiscal_quarter"], day["fiscal_period"])
    assert fiscal == (2025, 2, 6)
    assert (day["is_current_day"], day["is_current_week"]) == (False, True)
    assert (day["is_current_quarter"], day["days_from_today"]) == (True, -1)
    july = dates[date(2024, 7, 1)]
    assert (july["fiscal_year"], july["fiscal_quarter"], july["fiscal_period"]) == (2025, 1, 1)
    june = dates[date(2024, 6, 30)]
    assert (june["fiscal_year"], june["fiscal_quarter"], june["fiscal_period"]) == (2024, 4, 12)
    assert dates[date(2025, 1, 1)]["is_current_year"] is False
    assert dates[date(2025, 1, 1)]["is_current_week"] is True
    holidays = [day for day, row in dates.items() if row["is_holiday"] and day.year == 2024]
    assert [(day.month, day.day) for day in holidays] == [
        (1, 1),
        (1, 15),
        (2, 19),
        (5, 27),
        (6, 19),
        (7, 4),
        (9, 2),
        (10, 14),
        (11, 11),
        (11, 28),
        (12, 25),
    ]
    plain = one(landed(tmp_path, {}, 1)["agents.dim_date"], date_actual=date(2024, 12, 30))
    fiscal = (plain["fiscal_year"], plain["fiscal_quarter"], plain["fiscal_period"])
    assert fiscal == (2024, 4, 12)
    assert dates[date(2024, 5, 27)]["holiday_name"] == "Memorial Day"
    assert dates[date(2024, 5, 28)]["holiday_name"] is None
