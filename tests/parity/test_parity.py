"""Our answers against the recorded answers of Azure ML's inference server."""

from pathlib import Path

import pytest

from tests.parity.answers import load
from tests.parity.cases import cases
from tests.parity.differences import ALLOWED, OTHER_BODY
from tests.parity.in_process import in_process
from tests.parity.schema_stand_in import write_stand_in
from tests.parity.scripts import SCRIPTS

pytestmark = pytest.mark.external

RECORDED = load()


@pytest.mark.parametrize("name", SCRIPTS)
def test_our_answers_are_azures_answers(name: str, tmp_path: Path):
    write_stand_in(tmp_path)
    sent = [case for case in cases() if case.script == name]
    with in_process(SCRIPTS[name], tmp_path) as endpoint:
        ours = {case.id: endpoint.answer(case) for case in sent}
    differences = {
        case.id: (ours[case.id], RECORDED[case.id])
        for case in sent
        if ours[case.id] != RECORDED[case.id]
    }
    assert differences.keys() == {case.id for case in sent} & ALLOWED.keys(), differences
    other_statuses = {
        name: answers
        for name, answers in differences.items()
        if ALLOWED[name] is OTHER_BODY and answers[0].status != answers[1].status
    }
    assert other_statuses == {}


def test_the_recording_has_exactly_the_cases_of_the_table():
    assert RECORDED.keys() == {case.id for case in cases()}
    assert RECORDED.keys() >= ALLOWED.keys()
