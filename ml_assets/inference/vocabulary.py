"""The texts that a model tells apart, so that a person can choose among them."""

from ml_assets.registry import Bundle


def known_categories(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    """The categories that a model learned, by feature; none of features that it reads otherwise.

    Returns:
        Feature to its categories, sorted.
    """
    encode = bundle.pipeline.steps[0][1]
    return {
        feature: tuple(sorted(value for value in categories if isinstance(value, str)))
        for _, encoder, features in getattr(encode, "transformers_", ())
        if isinstance(features, list)
        for feature, categories in zip(
            features, getattr(encoder, "categories_", ()), strict=False
        )
    }
