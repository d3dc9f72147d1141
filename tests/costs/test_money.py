"""Money by algebra: what a machine costs a month, and where two ways cost the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.costing import Estimate
from burnish.costs.money import break_even, machine_per_month, per_image
from tests.costs.offers import edge, estimate, rented, service

price = st.floats(0.0, 1e6)
volume = st.floats(1.0, 1e7)


def test_a_device_costs_its_share_and_its_electricity() -> None:
    """480 over 48 months, 100 W around the clock at 0.5 a kilowatt-hour, and 3.50 of care: 50 a month."""
    assert machine_per_month(edge(other_per_month=3.5)) == pytest.approx(10 + 36.5 + 3.5)
    assert per_image(edge(), 2.0) == 0.0  # it draws the same whether it works or waits


def test_a_device_that_waits_for_less_pays_the_rest_by_the_image() -> None:
    """20 W while it waits are 7.30 a month; 80 W more for 45 s are 0.001 kWh, half with two at once."""
    box = edge(idle_watts=20.0)
    assert machine_per_month(box) == pytest.approx(10 + 7.3)
    assert per_image(box, 45.0) == pytest.approx(0.001 * 0.5)
    assert per_image(edge(idle_watts=20.0, workers=2), 45.0) == pytest.approx(0.0005 * 0.5)


def test_a_rented_machine_costs_730_hours_and_a_service_its_images() -> None:
    """0.1 an hour is 73 a month, used or not; a service costs nothing without images."""
    assert (machine_per_month(rented()), per_image(rented(), 2.0)) == (pytest.approx(73.0), 0.0)
    assert per_image(service(), 4.0) == 0.02


def of_service(per_image: float = 0.02) -> Estimate:
    """An estimate without machines."""
    return estimate("service", machines=0, machine_per_month=0.0, per_image=per_image, capacity=None)


def test_break_even_is_fixed_cost_over_the_difference_an_image() -> None:
    """100 a month against 0.02 an image meet at 100 / 0.02; with 0.004 an image on top at 100 / 0.016."""
    found = break_even(estimate("a"), of_service())
    assert found is not None
    assert found.volumes == pytest.approx((5000.0,))  # from 10,000 two machines cost as much at worst
    assert (found.few, found.many) == ("service", "a")
    dearer = break_even(of_service(), estimate("a", per_image=0.004))
    assert dearer is not None
    assert dearer.volumes == pytest.approx((6250.0, 10_000.0, 12_500.0))  # a second machine from 10,000


def test_another_machine_turns_it_back_until_it_is_earned() -> None:
    """100 a machine of 6,000 images against 0.02: machine k is won at 5,000 k, the fifth for good."""
    found = break_even(estimate("a", capacity=6000.0), of_service())
    assert found is not None
    expected = (5000, 6000, 10_000, 12_000, 15_000, 18_000, 20_000, 24_000, 25_000)
    assert found.volumes == pytest.approx(expected)
    assert [found.cheaper_at(v) for v in (1.0, 5500.0, 8000.0, 11_000.0)] == ["service", "a", "service", "a"]


def test_one_way_that_is_always_cheaper_has_no_break_even() -> None:
    """Neither has the same twice."""
    assert break_even(estimate("a"), estimate("b", machine_per_month=101.0)) is None
    assert break_even(estimate("a"), estimate("b")) is None


def test_both_sides_of_every_break_even_point_are_as_it_says() -> None:
    """Whoever is named is the cheaper one just beside each point, for two ways with steps of their own."""
    a = estimate("a", capacity=1000.0, per_image=0.001)
    b = estimate("b", machines=2, machine_per_month=130.0, capacity=3000.0, capacity_of_fewer=1400.0)
    found = break_even(a, b)
    assert found is not None
    assert len(found.volumes) > 3
    for at in found.volumes:
        for beside in (at * 0.9999, at * 1.0001):
            cheaper = min((a, b), key=lambda e: e.monthly(beside))
            assert found.cheaper_at(beside) == cheaper.name


def test_machines_follow_what_was_simulated() -> None:
    """The demand's machines up to their capacity, one fewer up to theirs, and equal shares beyond."""
    three = estimate("a", machines=3, capacity=1500.0, capacity_of_fewer=800.0)
    asked = (1.0, 400.0, 401.0, 800.0, 801.0, 1000.0, 1500.0, 1501.0, 2000.0, 2001.0)
    assert [three.machines_at(v) for v in asked] == [1, 1, 2, 2, 3, 3, 3, 4, 4, 5]
    assert of_service().machines_at(1e6) == 0


@given(fixed=price, image=st.floats(0.0, 10.0), volumes=st.tuples(volume, volume), n=st.integers(1, 5))
def test_more_images_never_cost_less(
    fixed: float, image: float, volumes: tuple[float, float], n: int
) -> None:
    """A month's cost is monotone in volume, steps and all."""
    few, many = sorted(volumes)
    capacities = {"capacity": 1000.0 * n + 1, "capacity_of_fewer": 900.0 * (n - 1)}
    found = estimate("a", machines=n, machine_per_month=fixed, per_image=image, **capacities)
    assert found.monthly(few) <= found.monthly(many)


@given(cheap=price, more=price, watts=st.floats(0.0, 1e4), at=volume)
def test_a_higher_price_never_costs_less(cheap: float, more: float, watts: float, at: float) -> None:
    """A month's cost is monotone in every price of an offer."""
    for low, high in (
        (rented(per_hour=cheap), rented(per_hour=cheap + more)),
        (edge(purchase_price=cheap), edge(purchase_price=cheap + more)),
        (edge(electricity_per_kwh=cheap, watts=watts), edge(electricity_per_kwh=cheap + more, watts=watts)),
        (edge(watts=watts), edge(watts=watts + min(more, 1e4))),
    ):
        first, second = (
            estimate("a", machine_per_month=machine_per_month(o), per_image=per_image(o, 2.0)).monthly(at)
            for o in (low, high)
        )
        assert first <= second
