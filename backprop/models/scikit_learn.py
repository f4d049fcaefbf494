"""Fitted models of scikit-learn as Functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.learning.network import MLP
from backprop.models.verified import unsupported, verified
from jacobians import Affine, ChannelScale, Function, Sequential, Sigmoid, Softmax
from jacobians.numerics.arrays import Array
from verification.optional_packages import require_extras

ACTIVATION_NAMES = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid"}
OUTPUTS: dict[str, tuple[tuple[Callable[[], Function], ...], str | None, str]] = {
    "softmax": ((Softmax,), "softmax", "cross-entropy"),
    "logistic": ((Sigmoid,), "sigmoid", "binary-cross-entropy"),
    "identity": ((), None, "squared-error"),
}
"""By scikit-learn's name of what is behind the last layer of a perceptron: the layers, and our names."""
SUPPORTED = (
    "MLPClassifier", "MLPRegressor", "LogisticRegression", "linear regressions", "linear classifiers", "Pipeline",
    "searches with a best_estimator_ of these", "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler",
    "PCA", "TruncatedSVD", "FunctionTransformer without a function",
)  # fmt: skip


def from_sklearn(model: Any) -> Function:
    """Return a fitted model of scikit-learn as a network, verified against the model itself.

    scikit-learn stores weights as (inputs, outputs): here they are transposed. A square matrix of theirs that is passed
    to :class:`~jacobians.Affine` as it is gives a wrong network without a word, since no shape tells; what comes
    through this door is compared with the model's own output.

    Parameters
    ----------
    model : estimator
        An MLPClassifier or MLPRegressor, a LogisticRegression, a linear model with ``coef_`` and ``intercept_``, or a
        Pipeline of scalers or a PCA before one of these.

    Returns
    -------
    Function
        Of one point: probabilities where the model gives them (of two classes that of the second), scores of linear
        classifiers, values of regressions. ``imported`` holds the comparison with the model.

    Raises
    ------
    TypeError, ValueError
        If it is no fitted estimator.
    UnsupportedError
        If a part has no counterpart: each is named.
    ImportError
        If scikit-learn is missing: it comes with the extra ``models``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> net = from_sklearn(LinearRegression().fit([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [1.0, 3.0, 0.0]))
    >>> net([1.0, 1.0]).round(6), net.imported.passed
    (array([2.]), True)
    """
    require_extras("models", "sklearn")
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(model, BaseEstimator):
        raise TypeError(f"model: found {type(model).__name__}, expected a fitted estimator of scikit-learn")
    try:
        check_is_fitted(model)
    except NotFittedError:
        raise ValueError(
            f"model: found {type(model).__name__} that isn't fitted, expected one after fit(X, y)"
        ) from None
    missing: list[str] = []
    layers = _layers(model, missing, "model")
    if missing:
        raise unsupported("model", missing, SUPPORTED)
    function: Function = layers[0] if len(layers) == 1 and isinstance(layers[0], MLP) else Sequential(*layers)
    last = _last(model)
    features = int(model.n_features_in_)
    return verified(function, type(model).__name__, _black_box(model, last, function, features), (features,))


def _last(model: Any) -> Any:
    while hasattr(model, "steps") or hasattr(model, "best_estimator_"):
        model = model.best_estimator_ if hasattr(model, "best_estimator_") else model.steps[-1][1]
    return model


def _black_box(model: Any, last: Any, function: Function, features: int) -> Callable[[Array], Array]:
    """Return the model's own output at one point."""

    def run(x: Array) -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a model that was fitted to named columns
            return own(x)

    def own(x: Array) -> Array:
        rows = np.asarray(x, dtype=float).reshape(1, features)
        if _has_probabilities(last):
            found = model.predict_proba(rows)[0]
            return found[1:] if len(found) == 2 and function(np.zeros(features)).size == 1 else found
        if hasattr(last, "decision_function"):
            return np.ravel(model.decision_function(rows))
        if hasattr(last, "predict"):
            return np.ravel(model.predict(rows))
        return np.ravel(model.transform(rows))

    return run


def _has_probabilities(model: Any) -> bool:
    return type(model).__name__ in ("MLPClassifier", "LogisticRegression")


def _layers(model: Any, missing: list[str], place: str) -> list[Function]:
    """Return the layers of a model; what has no counterpart is noted."""
    kind = type(model).__name__
    if hasattr(model, "best_estimator_"):
        return _layers(model.best_estimator_, missing, f"{place}.best_estimator_")
    if kind == "Pipeline":
        found: list[Function] = []
        for name, step in model.steps:
            if step is not None and not isinstance(step, str):  # "passthrough"
                found += _layers(step, missing, f"{place}.{name}")
        return found or [ChannelScale(np.ones(model.n_features_in_))]
    if kind in ("MLPClassifier", "MLPRegressor"):
        if model.out_activation_ not in OUTPUTS:
            missing.append(f"{place} ({kind} with the output activation {model.out_activation_})")
            return []
        if model.activation == "identity":  # affine layers follow each other
            layers = [Affine(W.T, b) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
            return [*layers, *(make() for make in OUTPUTS[model.out_activation_][0])]
        return [_perceptron(model)]
    if kind == "StandardScaler":
        zeros = np.zeros(model.n_features_in_)
        scale = 1 / (model.scale_ if model.with_std else zeros + 1)
        return [ChannelScale(scale, -(model.mean_ if model.with_mean else zeros) * scale)]
    if kind == "MinMaxScaler" and not model.clip:
        return [ChannelScale(model.scale_, model.min_)]
    if kind == "MaxAbsScaler":
        return [ChannelScale(1 / model.scale_)]
    if kind == "RobustScaler":
        ones = np.ones(model.n_features_in_)
        scale = 1 / (ones if model.scale_ is None else model.scale_)
        return [ChannelScale(scale, -(0 * ones if model.center_ is None else model.center_) * scale)]
    if kind == "FunctionTransformer":
        if model.func is None:
            return []
        name = getattr(model.func, "__name__", type(model.func).__name__)
        missing.append(f"{place} (FunctionTransformer of {name})")
        return []
    if kind == "TruncatedSVD":
        return [Affine(model.components_)]
    if kind == "PCA":
        W = model.components_
        W = W / np.sqrt(model.explained_variance_)[:, None] if model.whiten else W
        return [Affine(W, -W @ model.mean_)]
    linear = all(hasattr(model, name) for name in ("coef_", "intercept_", "predict"))
    if linear and not _generalized(model):
        coefficients = model.coef_.toarray() if hasattr(model.coef_, "toarray") else model.coef_
        W = np.atleast_2d(np.asarray(coefficients, dtype=float))
        layer = Affine(W, np.broadcast_to(np.asarray(model.intercept_, dtype=float), W.shape[:1]))
        if kind != "LogisticRegression":
            return [layer]
        if len(W) == 1:
            return [layer, Sigmoid()]
        if getattr(model, "multi_class", "auto") == "ovr" or model.solver == "liblinear":
            missing.append(f"{place} (LogisticRegression that fits one class against the rest)")
            return []
        return [layer, Softmax()]
    missing.append(f"{place} ({kind}{' with clip=True' if kind == 'MinMaxScaler' else ''})")
    return []


def _generalized(model: Any) -> bool:
    """Return whether the prediction is not coef_·x + intercept_: links, kernels, inputs that are centred first."""
    links = ("PoissonRegressor", "GammaRegressor", "TweedieRegressor")
    centred = ("PLSRegression", "PLSCanonical", "CCA")
    return type(model).__name__ in (*links, *centred, "SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM")


def _perceptron(model: Any) -> MLP:
    weights = [(W.T, b) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
    _, output, loss = OUTPUTS[model.out_activation_]
    return MLP(weights, activation=ACTIVATION_NAMES[model.activation], output_activation=output, loss=loss)
