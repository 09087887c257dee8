"""How the error of a check set is shared: by hand for small families, and never more than there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evidence.bounds import look_alpha, spent_share
from core.evidence.subject import Look, Subject, standing

ALONE, A, B = Subject(), Subject("a"), Subject("b")
VENDOR = Subject("a", "score:vendor")


def test_what_is_spent_is_the_sum_of_the_looks():
    for k in range(12):
        assert spent_share(k) == pytest.approx(sum(look_alpha(look, 1.0) for look in range(1, k + 1)))


def test_a_subject_that_is_alone_has_all_the_error_at_every_look():
    looks = [Look(ALONE, k, (ALONE,)) for k in (1, 2, 3)]
    for n in range(4):
        assert (standing(looks[:n], (ALONE,), ALONE).share, standing(looks[:n], (ALONE,), ALONE).k) == (1.0, n)


def test_two_policies_have_half_each_whichever_is_opened_first():
    both = (A, B)
    assert standing([], both, A).share == standing([], both, B).share == 0.5
    looks = [Look(B, 1, both), Look(B, 2, both)]
    assert (standing(looks, both, A).share, standing(looks, both, A).k) == (0.5, 0)
    assert (standing(looks, both, B).share, standing(looks, both, B).k) == (0.5, 2)


def test_a_policy_added_later_shares_what_the_looks_so_far_have_left():
    looks = [Look(ALONE, 1, (ALONE,))]  # spent 0.8 of the error
    assert standing(looks, (A, B), A).share == pytest.approx(0.1)
    looks += [Look(A, 1, (A, B))]  # of 0.1, 0.02 is left; b has not looked
    assert standing(looks, (A, B, VENDOR), VENDOR).share == pytest.approx((0.02 + 0.1) / 3)
    assert standing(looks, (A, B, VENDOR), A).k == 0  # counted anew, in a smaller share


FAMILIES = st.lists(st.sampled_from([ALONE, A, B, VENDOR]), min_size=1, unique=True).map(lambda found: tuple(sorted(found)))


@given(st.lists(FAMILIES.flatmap(lambda family: st.tuples(st.just(family), st.sampled_from(family))), max_size=40))
def test_however_families_change_the_looks_never_spend_more_than_the_error(taken):
    looks, spent = [], 0.0
    for family, subject in taken:
        stands = standing(looks, family, subject)
        assert stands.share > 0
        spent += look_alpha(stands.k + 1, stands.share)
        looks.append(Look(subject, stands.k + 1, family))
    assert spent <= 1 + 1e-9
