"""The loop: repeatable, honest about what it reports, and plain about what goes wrong."""

import ast
import inspect
import json
import math
import re
import textwrap
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from support import TINY, TINY_AE, bars, generator
from torch import nn

from vaelib import training
from vaelib.data import Images
from vaelib.losses import (
    LossTerms,
    gaussian_nll,
    kl_divergence,
    kl_parts,
    mean_squared_error,
    negative_elbo,
)
from vaelib.models import seeded
from vaelib.training import (
    Config,
    History,
    Record,
    elbo_loss,
    evaluate,
    fit,
    gaussian_loss,
    priced_loss,
)

QUICK = Config(epochs=3, batch_size=16, lr=1e-2)


def run(config=QUICK, architecture=TINY, train=None, **options):
    model = architecture.build(seed=1)
    train = bars() if train is None else train
    return model, fit(model, train, config, progress=False, **options)


def without_time(history):
    return [replace(record, seconds=0) for record in history.records]


def numbers(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


# --- Repeatable -----------------------------------------------------------------------------


def test_one_seed_gives_one_history_bit_for_bit():
    runs = []
    for global_seed in (0, 1):
        with seeded(global_seed):
            runs.append(run(valid=bars(32, seed=1)))
    assert without_time(runs[0][1]) == without_time(runs[1][1])
    assert numbers(runs[0][0]).equal(numbers(runs[1][0]))


def test_another_seed_gives_another_history():
    assert run()[1]["loss"] != run(replace(QUICK, seed=1))[1]["loss"]


def test_the_seed_shuffles_also_where_no_code_is_sampled():
    assert run(architecture=TINY_AE)[1]["loss"] != run(replace(QUICK, seed=1), TINY_AE)[1]["loss"]


def test_training_and_evaluating_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    model, _ = run(valid=bars(32, seed=1))
    evaluate(model, bars())
    assert torch.get_rng_state().equal(before)


def test_validating_does_not_change_what_is_learned():
    assert numbers(run()[0]).equal(numbers(run(valid=bars(32, seed=1))[0]))


def test_the_steps_are_those_of_a_loop_written_by_hand():
    # What the loop leaves out of a plain description: progress, reports, devices, errors.
    config, images, model = replace(QUICK, beta=0.5), bars(), TINY.build(seed=1)
    random = torch.Generator().manual_seed(config.seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, total_steps=3 * 4)
    for _ in range(3):
        for x, _ in images.batches(16, random):
            model.zero_grad()
            elbo_loss(model(x, random), x, 0.5).loss.mean().backward()
            optimiser.step()
            schedule.step()
    assert numbers(model).equal(numbers(run(config, train=images)[0]))


def without_fused(monkeypatch):
    """Adam as it is where the device, or an older torch, has no fused one."""
    plain, asked = torch.optim.Adam, []

    def adam(parameters, lr, fused=None):
        asked.append(fused)
        if fused:
            raise RuntimeError("`fused=True` requires all the params to be on supported devices")
        return plain(parameters, lr)

    monkeypatch.setattr(torch.optim, "Adam", adam)
    return asked


def test_the_fused_optimiser_takes_the_steps_of_the_plain_one(monkeypatch):
    model, history = run(valid=bars(32, seed=1))
    assert without_fused(monkeypatch) == []
    plain_model, plain_history = run(valid=bars(32, seed=1))
    torch.testing.assert_close(numbers(model), numbers(plain_model), rtol=1e-4, atol=1e-6)
    assert history["valid_loss"] == pytest.approx(plain_history["valid_loss"], rel=1e-5)


def test_without_a_fused_optimiser_the_plain_one_is_taken(monkeypatch):
    asked = without_fused(monkeypatch)
    assert len(run()[1].records) == QUICK.epochs
    assert asked == [True, None]


# --- What is reported -----------------------------------------------------------------------


@pytest.mark.parametrize("architecture", [TINY, TINY_AE], ids=["vae", "ae"])
def test_the_loss_falls_on_bars(architecture):
    history = run(Config(epochs=30, batch_size=16, lr=1e-2), architecture)[1]
    assert history["loss"][-1] < 0.6 * history["loss"][0]


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0])
def test_training_and_validation_report_the_same_quantity(beta):
    # A step so small that the model stands still: what is left is the noise of the sampled z.
    images = bars(512)
    still = Config(epochs=1, batch_size=100, lr=1e-9, beta=beta)
    record = run(still, train=images, valid=images)[1].last
    assert record.loss == pytest.approx(record.valid_loss, rel=1e-3)
    assert record.reconstruction == pytest.approx(record.valid_reconstruction, rel=1e-3)
    assert record.kl == pytest.approx(record.valid_kl, rel=1e-4)
    assert record.loss == pytest.approx(record.reconstruction + beta * record.kl)
    assert record.kl > 0


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_means_are_over_images_whatever_the_batches(batch_size):
    # An autoencoder has no noise, so the figures must agree; 7 leaves a smaller last batch.
    model = TINY_AE.build()
    whole = elbo_loss(model(bars().float()), bars().float(), 1.0).loss.mean().item()
    assert evaluate(model, bars(), batch_size=batch_size).loss == pytest.approx(whole)
    still = Config(epochs=1, batch_size=batch_size, lr=1e-9)
    assert run(still, TINY_AE)[1].last.loss == pytest.approx(
        evaluate(TINY_AE.build(seed=1), bars()).loss, rel=1e-4
    )


def test_evaluate_gives_floats_fixed_by_its_seed():
    model = TINY.build()
    terms = evaluate(model, bars(), seed=3)
    assert terms == evaluate(model, bars(), seed=3)
    assert terms.reconstruction != evaluate(model, bars(), seed=4).reconstruction
    assert all(type(term) is float for term in terms)
    assert terms.loss == pytest.approx(terms.reconstruction + terms.kl)


def test_evaluate_weighs_the_kl_by_beta():
    terms = evaluate(TINY.build(), bars(), beta=5.0)
    assert terms.loss == pytest.approx(terms.reconstruction + 5 * terms.kl)


def test_another_loss_is_used_in_training_and_in_validation():
    def gaussian(output, x, beta):
        picture = output.logits.sigmoid()
        return negative_elbo(picture, x, output.mu, output.log_var, beta, gaussian_nll)

    record = run(Config(epochs=1, lr=1e-9), loss=gaussian, valid=bars())[1].last
    assert record.reconstruction > 64 * math.log(2 * math.pi) / 2  # the constant of the Gaussian
    assert record.valid_reconstruction == pytest.approx(record.reconstruction, rel=1e-3)


def test_without_validation_images_the_valid_columns_are_none():
    assert run()[1]["valid_loss"] == [None, None, None]


def test_epochs_and_seconds_count_from_the_start_of_the_run(monkeypatch):
    clock = iter([100.0, 103.0, 107.0, 112.0])
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock))
    history = run()[1]
    assert history["epoch"] == [1, 2, 3]
    assert history["seconds"] == [3, 7, 12]


def test_a_small_term_is_not_lost_beside_a_large_one():
    def lopsided(output, x, beta):
        each = torch.full((len(x),), 1e8 if lopsided.calls == 0 else 1.0)
        lopsided.calls += 1
        return LossTerms(each, each, each)

    lopsided.calls = 0
    found = evaluate(TINY.build(), bars(64), lopsided, batch_size=1).loss
    assert found == pytest.approx((1e8 + 63) / 64, rel=1e-9)


# --- Warm-up and callback -------------------------------------------------------------------


def betas_of(config, images=None):
    """The beta of each step; what is only reported is computed without gradients."""
    seen = []

    def spy(output, x, beta):
        if torch.is_grad_enabled():
            seen.append(beta)
        return elbo_loss(output, x, beta)

    run(config, loss=spy, train=images)
    return seen


def test_without_warm_up_beta_is_whole_from_the_first_step():
    assert set(betas_of(replace(QUICK, beta=2.0))) == {2.0}


def test_warm_up_raises_beta_evenly_and_reaches_it():
    seen = betas_of(Config(epochs=4, batch_size=16, beta=2.0, warmup_epochs=2))  # 4 steps an epoch
    assert seen[0] == 0
    assert seen[:9] == pytest.approx([2.0 * step / 8 for step in range(9)])
    assert set(seen[8:]) == {2.0}


def test_warm_up_may_end_inside_an_epoch():
    seen = betas_of(Config(epochs=2, batch_size=16, warmup_epochs=0.5))
    assert seen == pytest.approx([0, 0.5, 1, 1, 1, 1, 1, 1])


def test_the_reported_loss_has_the_whole_beta_during_warm_up():
    record = run(Config(epochs=1, batch_size=16, beta=2.0, warmup_epochs=1))[1].last
    assert record.loss == pytest.approx(record.reconstruction + 2 * record.kl)


def test_a_loss_that_is_no_weighted_sum_is_reported_alike_in_training_and_validation():
    def with_free_bits(output, x, beta):
        terms = elbo_loss(output, x, beta)
        return terms._replace(loss=terms.reconstruction + beta * terms.kl.clamp_min(5.0))

    config = Config(epochs=1, batch_size=16, lr=1e-9)
    record = run(config, loss=with_free_bits, valid=bars())[1].last
    assert record.kl < 5
    assert record.loss == pytest.approx(record.reconstruction + 5, rel=1e-5)
    assert record.valid_loss == pytest.approx(record.valid_reconstruction + 5, rel=1e-5)


def test_on_epoch_gets_the_model_and_the_record_after_each_epoch():
    seen = []
    model, history = run(on_epoch=lambda model, record: seen.append((model, record)))
    assert [record for _, record in seen] == history.records
    assert all(each is model for each, _ in seen)


def test_on_epoch_can_stop_the_run():
    class Enough(Exception):
        pass

    def stop(_, record):
        if record.epoch == 2:
            raise Enough

    with pytest.raises(Enough):
        run(on_epoch=stop)


def test_every_image_is_seen_once_an_epoch():
    seen = []

    def spy(output, x, beta):
        seen.append(x)
        return elbo_loss(output, x, beta)

    images = bars(50)
    run(Config(epochs=2, batch_size=16), loss=spy, train=images)
    assert [len(x) for x in seen] == [16, 16, 16, 2] * 2
    expected = images.float().flatten(1).sum(1).sort().values
    for epoch in (seen[:4], seen[4:]):
        assert torch.cat(epoch).flatten(1).sum(1).sort().values.equal(expected)
    assert not torch.cat(seen[:4]).equal(torch.cat(seen[4:]))  # shuffled anew


def test_a_model_learns_in_training_mode_and_is_evaluated_and_left_in_the_other():
    modes = []

    class Watched(type(TINY.build())):
        def forward(self, *given):
            modes.append((torch.is_grad_enabled(), self.training))
            return super().forward(*given)

    model = TINY.build(seed=1)
    model.__class__ = Watched
    fit(model, bars(), QUICK, valid=bars(32, seed=1), progress=False)
    assert set(modes) == {(True, True), (False, False)}
    assert not model.training
    evaluate(model.train(), bars())
    assert not model.training
    assert not run()[0].training, "nor where nothing was held out"


def test_a_single_step_is_a_run_too():
    assert len(run(Config(epochs=1, batch_size=1000))[1].records) == 1


# --- What goes wrong ------------------------------------------------------------------------


def test_nan_stops_the_run_and_says_where_and_what_to_try():
    def poisoned(output, x, beta):
        terms = elbo_loss(output, x, beta)
        poisoned.calls += 1
        return terms._replace(loss=terms.loss * math.nan) if poisoned.calls == 6 else terms

    poisoned.calls = 0
    model = TINY.build(seed=1)
    with pytest.raises(FloatingPointError, match="epoch 2, step 5") as error:
        fit(model, bars(), QUICK, loss=poisoned, progress=False)
    assert "lr 0.01" in str(error.value)
    assert "smaller lr" in str(error.value)
    assert numbers(model).isfinite().all()  # it stopped before the step that would spread it


def test_a_loss_that_overflows_stops_the_run():
    def huge(output, x, beta):
        terms = elbo_loss(output, x, beta)
        return LossTerms(terms.loss * math.inf, terms.reconstruction, terms.kl)

    with pytest.raises(FloatingPointError, match="inf"):
        run(loss=huge)


@pytest.mark.parametrize("term", LossTerms._fields)
@pytest.mark.parametrize(
    ("reduce", "came"),
    [
        (lambda each: each.mean(), r"\(\)"),
        (lambda each: each[:, None].expand(-1, 64), r"\(16, 64\)"),
        (lambda each: each[:, None], r"\(16, 1\)"),
        (lambda each: each.mean().item(), "float"),
    ],
    ids=["mean over the batch", "per pixel", "column", "number"],
)
def test_a_loss_that_is_not_one_number_per_image_is_refused(term, reduce, came):
    def other(output, x, beta):
        terms = elbo_loss(output, x, beta)
        return terms._replace(**{term: reduce(getattr(terms, term))})

    said = rf"{term}.* {came}.*16 images.*one number per image, \(16,\), in nats"
    with pytest.raises(ValueError, match=said):
        run(loss=other)
    with pytest.raises(ValueError, match=said):
        evaluate(TINY.build(), bars(16), loss=other)


def test_a_loss_without_its_three_terms_is_refused():
    with pytest.raises(ValueError, match=r"LossTerms\(loss, reconstruction, kl\).*got a Tensor"):
        run(loss=lambda output, x, beta: elbo_loss(output, x, beta).loss)


@pytest.mark.parametrize("loss", ["elbo", None, {"beta": 1}])
def test_what_is_no_loss_function_is_refused_before_the_first_step(loss):
    with pytest.raises(TypeError, match=f"takes a Config and a loss function; .*{loss!r}"):
        run(loss=loss)


@pytest.mark.parametrize("config", [None, {"epochs": 1}, Config])
def test_what_is_no_config_is_refused_with_what_came(config):
    with pytest.raises(TypeError, match="takes a Config and a loss function; got") as error:
        fit(TINY.build(), bars(), config, progress=False)
    assert repr(config)[:60] in str(error.value)


def test_a_model_that_is_lost_by_its_last_step_is_not_reported_as_trained():
    # One step: the loss that led to it was finite, only the validation sees what it did.
    wild = Config(epochs=1, batch_size=1000, lr=1e38)
    with pytest.raises(FloatingPointError, match=r"epoch 1.*lr 1e\+38.*smaller lr"):
        run(wild, valid=bars())


def test_evaluating_a_lost_model_says_so():
    model = TINY.build()
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    with pytest.raises(FloatingPointError, match="the loss became nan"):
        evaluate(model, bars(), gaussian_loss(0.3))


def test_without_a_weight_an_infinite_kl_is_told_and_stops_nothing():
    def collapsed(output, x, beta):
        terms = elbo_loss(output, x, beta)
        return terms._replace(kl=terms.kl + math.inf)

    record = run(replace(QUICK, beta=0.0), loss=collapsed, valid=bars())[1].last
    assert record.kl == record.valid_kl == math.inf
    assert math.isfinite(record.loss)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_evaluating_in_batches_of_no_image_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"at least 1, got {batch_size}"):
        evaluate(TINY.build(), bars(), batch_size=batch_size)


def test_evaluating_on_no_images_is_refused():
    with pytest.raises(ValueError, match="no images"):
        evaluate(TINY.build(), bars()[:0])


@pytest.mark.parametrize("name", ["epochs", "batch_size", "lr"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_config_that_cannot_train_is_refused_at_once(name, value):
    wanted = "finite and above 0" if name == "lr" else "a whole number, at least 1"
    with pytest.raises(ValueError, match=f"{name} must be {wanted}, got {value}"):
        Config(**{name: value})


@pytest.mark.parametrize("name", ["beta", "warmup_epochs"])
@pytest.mark.parametrize("value", [-0.5, math.nan, math.inf])
def test_a_weight_of_the_kl_that_is_negative_or_not_finite_is_refused_at_once(name, value):
    with pytest.raises(ValueError, match=f"{name} must be finite and at least 0, got {value}"):
        Config(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0.5), ("epochs", "3"), ("batch_size", 1.5), ("batch_size", None), ("seed", 1.5),
     ("seed", None), ("seed", 2**63), ("lr", "1"), ("beta", None), ("warmup_epochs", "0")],
)  # fmt: skip
def test_a_config_of_another_type_is_refused_in_one_sentence(name, value):
    with pytest.raises(ValueError, match=f"{name} .*, got {value!r}"):
        Config(**{name: value})


def test_numbers_of_numpy_are_numbers():
    assert Config(np.int64(2), np.int32(8), np.float32(0.1), seed=np.int64(3)).epochs == 2


NOT_IMAGES = {"a tensor": bars().float(), "pairs": [(bars().float(), 0)], "nothing": None}


@pytest.mark.parametrize("given", NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_what_is_no_set_of_images_is_refused_and_the_way_to_one_is_told(given):
    said = rf"vaelib\.Images.*got a {type(given).__name__}.*Images\.from_float"
    with pytest.raises(TypeError, match=said):
        fit(TINY.build(), given, QUICK, progress=False)
    with pytest.raises(TypeError, match=said):
        evaluate(TINY.build(), given)
    if given is not None:
        with pytest.raises(TypeError, match=said):
            run(valid=given)


def test_training_on_no_images_is_refused():
    with pytest.raises(ValueError, match="no images"):
        run(train=bars()[:0])
    with pytest.raises(ValueError, match="no images"):
        run(valid=bars()[:0])


@pytest.mark.parametrize("pixels", [torch.zeros(4, 3, 8, 8), torch.zeros(4, 1, 9, 9)])
def test_images_of_another_shape_than_the_models_are_refused_with_both(pixels):
    wrong = Images.from_float(pixels)
    said = rf"VAE cannot take .*{tuple(pixels.shape)}".replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=said):
        run(train=wrong)
    with pytest.raises(ValueError, match=said):
        evaluate(TINY.build(), wrong)


@pytest.mark.parametrize("model", [None, "vae", nn.Linear(64, 2), nn.Identity(), lambda x: x])
def test_what_is_no_model_is_refused_in_one_sentence(model):
    for use in (lambda: fit(model, bars(), QUICK, progress=False), lambda: evaluate(model, bars())):
        with pytest.raises((TypeError, ValueError), match=r"model|Linear cannot take") as error:
            use()
        assert len(str(error.value)) <= 500


def test_a_frozen_model_is_not_trained_and_the_remedy_is_told():
    with pytest.raises(ValueError, match=r"requires_grad_\(True\)"):
        fit(TINY.build().requires_grad_(False), bars(), QUICK, progress=False)
    evaluate(TINY.build().requires_grad_(False), bars())


@pytest.mark.parametrize("batch_size", [0.5, 1.5, None, "8", math.nan])
def test_batches_are_of_whole_numbers_of_images(batch_size):
    with pytest.raises(ValueError, match="whole number, at least 1, got"):
        next(bars().batches(batch_size))


def test_a_config_cannot_be_changed_after_the_fact():
    with pytest.raises(AttributeError):
        QUICK.lr = 1.0


# --- History --------------------------------------------------------------------------------


def test_a_history_survives_saving_and_loading(tmp_path):
    history = run(valid=bars(32, seed=1))[1]
    history.save(tmp_path / "run.json")
    loaded = History.load(tmp_path / "run.json")
    assert loaded == history
    assert loaded.config == QUICK
    assert loaded.last.valid_kl == history.records[-1].valid_kl


def test_a_history_of_numpy_s_numbers_is_saved(tmp_path):
    config = Config(epochs=np.int64(2), lr=np.float32(0.5))
    History(config, []).save(tmp_path / "run.json")
    assert History.load(tmp_path / "run.json").config == Config(epochs=2, lr=0.5)


def test_a_saved_history_is_plain_json(tmp_path):
    history = History(QUICK, [Record(1, 0.5, 3.0, 2.0, 1.0)])
    history.save(tmp_path / "run.json")
    content = json.loads((tmp_path / "run.json").read_text())
    assert content == {"config": asdict(QUICK), "records": [asdict(history.last)]}
    assert '\n   "kl": 1.0,\n' in (tmp_path / "run.json").read_text(), "a line for each number"


# --- The loop as a reader meets it ----------------------------------------------------------


def test_the_loop_has_under_40_lines():
    source = textwrap.dedent(inspect.getsource(fit))
    body = ast.parse(source).body[0].body
    assert ast.get_docstring(ast.parse(source).body[0])
    assert body[-1].end_lineno - body[1].lineno + 1 < 40


def test_the_loop_knows_no_data_set_and_no_architecture():
    source = inspect.getsource(training).lower()
    assert not [word for word in ("mnist", "celeba", "mlp", "autoencoder") if word in source]


def test_progress_goes_to_stderr_and_can_be_turned_off(capsys):
    run()
    assert capsys.readouterr() == ("", "")
    fit(TINY.build(), bars(), QUICK)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r" 12/12 .*step.* epoch 3, \d+\.\d nats", err), "four steps in each of three"


def test_labels_play_no_part():
    images = bars()
    other = Images(images.pixels, images.labels.flip(0))
    assert run(train=images)[1]["loss"] == run(train=other)[1]["loss"]


def test_a_gaussian_loss_is_the_mean_of_squares_at_its_factor_and_the_kl():
    model, x, sigma = TINY.build(), bars().float(), 0.3
    output = model(x, generator())
    terms = gaussian_loss(sigma)(output, x, 2.0)
    pixels = x[0].numel()
    weighted = mean_squared_error(output.logits.sigmoid(), x, pixels / (2 * sigma**2))
    # What is left is the same for every picture: the constant of the density.
    constant = terms.reconstruction - weighted
    torch.testing.assert_close(constant, constant[:1].expand_as(constant), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(terms.loss, terms.reconstruction + 2 * terms.kl)
    torch.testing.assert_close(terms.kl, kl_divergence(output.mu, output.log_var))


def test_the_whole_price_is_the_loss_of_a_vae_and_no_price_that_of_an_autoencoder():
    output, x = TINY.build()(bars().float(), generator()), bars().float()
    whole = priced_loss(mu=True, sigma=True)(output, x, 0.5)
    torch.testing.assert_close(whole, elbo_loss(output, x, 0.5))
    free = priced_loss(mu=False, sigma=False)(output, x, 0.5)
    torch.testing.assert_close(free, elbo_loss(output._replace(log_var=None), x, 0.5))


@pytest.mark.parametrize("mu", [True, False])
def test_a_part_of_the_price_is_charged_alone(mu):
    output, x = TINY.build()(bars().float(), generator()), bars().float()
    terms = priced_loss(mu=mu, sigma=not mu)(output, x, 0.5)
    part = kl_parts(output.mu, output.log_var)[0 if mu else 1]
    torch.testing.assert_close(terms.kl, part)
    torch.testing.assert_close(terms.loss, terms.reconstruction + 0.5 * part)


def test_a_fixed_sigma_is_charged_for_mu_alone():
    architecture = replace(TINY_AE, noise=0.1)
    output, x = architecture.build()(bars().float(), generator()), bars().float()
    for sigma in (True, False):
        terms = priced_loss(mu=True, sigma=sigma)(output, x, 1.0)
        torch.testing.assert_close(terms.kl, output.mu.square().sum(1) / 2)


def test_a_gaussian_decoder_learns_from_its_loss():
    model = TINY.build()
    before = evaluate(model, bars(), gaussian_loss(0.3)).loss
    config = Config(epochs=20, batch_size=16, lr=1e-2)
    fit(model, bars(), config, loss=gaussian_loss(0.3), progress=False)
    assert evaluate(model, bars(), gaussian_loss(0.3)).loss < before - 5
