"""From prices, demand and measured seconds to what should be taken, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.core.evidence import Measurement
from burnish.core.prices import PayPerCall
from burnish.costs.forecast import Question, forecast
from tests.costs.offers import edge, prices, rented, service, steady, subject

ASKED = Question(demand=steady(60.0))  # 43,800 images a month
GPU = rented(name="card", kind="gpu", speed=None, seconds_per_image=0.5, per_hour=1.0)


def test_every_offer_is_priced_the_cheapest_first() -> None:
    """At 43,800 images: a box at 46.50, a rented machine at 73, a card at 730, a service at 876 a month."""
    found = forecast(prices(service(), GPU, rented(), edge()), [subject()], ASKED)
    assert [e.name for e in found.estimates] == ["box", "rented", "card", "service"]
    costs = [e.monthly(found.images_per_month) for e in found.estimates]
    assert costs == pytest.approx([46.5, 73.0, 730.0, 876.0])
    assert found.estimates[0].per_thousand(43_800.0) == pytest.approx(46.5 / 43.8)
    assert found.recommended == "box"
    assert found.images_per_month == pytest.approx(43_800.0)


def test_utilisation_is_what_the_demand_takes() -> None:
    """60 images an hour of 2 s are a thirtieth of an hour; twice as fast a machine, a sixtieth."""
    fast = rented(name="fast", speed=2.0)
    found = forecast(prices(rented(), fast), [subject()], ASKED)
    assert found.of("rented").utilisation == pytest.approx(1 / 30)
    assert found.of("fast").utilisation == pytest.approx(1 / 60)
    assert found.of("fast").seconds_per_image == 1.0


def test_the_cheapest_that_keeps_the_wait_is_taken() -> None:
    """A slow box is cheapest and passed over; where nothing keeps the wait the nearest is named."""
    slow = edge(speed=0.1)
    book = prices(slow, rented(), service())
    found = forecast(book, [subject()], replace(ASKED, max_wait_s=6.0))
    assert (found.estimates[0].name, found.estimates[0].meets) == ("box", False)
    assert (found.recommended, found.nearest) == ("rented", "")
    none = forecast(book, [subject()], replace(ASKED, max_wait_s=1.0))
    assert (none.recommended, none.nearest) == ("", "rented")
    assert none.would_change == ()


def test_every_guess_is_said_with_its_number() -> None:
    """A speed that nobody measured, a device's life, workers, batches and spread are assumptions by name."""
    book = prices(edge(speed=0.4), rented(workers=3), GPU, service())
    found = forecast(book, [subject(batch=4)], replace(ASKED, spread=0.5))
    said = "\n".join(found.assumptions)
    assert "model on box: 5.00 s an image, taken to be 0.4 times as fast" in said
    assert "box: lasts 4 years, draws 100 W while it works and as much while it waits" in said
    assert "rented: 3 images at once, each as fast as one alone" in said
    assert "model on rented: up to 4 images a call" in said
    assert "card: 500 ms an image, as the price file says. It was not measured there." in said
    assert "service: every image is there after 4.00 s" in said
    assert "vary by 0.5 of their mean" in said
    assert "model on rented: 2.00 s an image, as measured.\n" in said


def test_what_was_measured_elsewhere_replaces_the_guess() -> None:
    """A measurement from the offer's machine is used, and its ratio or seconds in the file are not."""
    there = {
        "box": Measurement(bundle="b", latency_s=3.0),
        "card": Measurement(bundle="b", latency_s=0.25, batch=2),
    }
    found = forecast(prices(edge(speed=0.1), GPU), [subject(elsewhere=there)], ASKED)
    assert found.of("box").seconds_per_image == 3.0
    assert found.of("card").seconds_per_image == 0.25
    assert "model on box: 3.00 s an image, measured on it." in found.assumptions
    assert not any("not measured there" in line for line in found.assumptions)


def test_two_models_are_told_apart_on_every_machine_but_not_where_they_do_not_run() -> None:
    """Ways are named by both; an offer with its own seconds and a service stand there once."""
    found = forecast(
        prices(rented(), GPU, service()), [subject(name="before", seconds_per_image=20.0), subject()], ASKED
    )
    names = {e.name for e in found.estimates}
    assert names == {"before on rented", "model on rented", "card", "service"}
    assert found.of("before on rented").utilisation == pytest.approx(1 / 3)


def test_what_does_not_fit_is_left_out_with_its_reason() -> None:
    """Memory for every worker, cores that were kept busy, and more machines than are simulated."""
    small = rented(name="small", memory_mib=512.0, workers=2)
    narrow = rented(name="narrow", cores=2)
    book = prices(small, narrow, rented())
    found = forecast(book, [subject(peak_mib=300.0, cores_busy=3.9)], ASKED)
    assert [e.name for e in found.estimates] == ["rented"]
    assert "2 x 300 MiB do not fit into 512 MiB" in found.left_out["small"]
    assert "3.9 cores busy, and it has 2" in found.left_out["narrow"]
    huge = forecast(prices(rented()), [subject(3600.0)], Question(demand=steady(1e5)))
    assert huge.estimates == ()
    assert "2000 calls at once" in huge.left_out["rented"]
    assert (huge.recommended, huge.nearest) == ("", "")


def test_what_would_change_it_is_where_the_others_cross() -> None:
    """The box wins from 2,325 images (46.50 / 0.02) up; 26.50 more a month and the rented one would."""
    found = forecast(prices(edge(), rented(), service()), [subject()], ASKED)
    said = "\n".join(found.would_change)
    assert "below 2,325 images a month service is cheaper" in said
    assert "26.50 EUR a month more, 57%, for rented to be cheaper" in said
    assert "1 machine of box bears about" in said


def test_the_same_seed_says_the_same() -> None:
    """Two runs are equal, and what is saved reads back."""
    asked = replace(ASKED, max_wait_s=10.0, loads=True)
    one, two = (forecast(prices(rented(), service()), [subject()], asked) for _ in range(2))
    assert one == two
    assert type(one).model_validate_json(one.model_dump_json()) == one


def test_a_service_may_be_all_there_is() -> None:
    """Without a machine nothing needs to have been measured."""
    offer: PayPerCall = service()
    found = forecast(prices(offer), [], replace(ASKED, max_wait_s=5.0))
    assert (found.recommended, found.of("service").machines) == ("service", 0)
