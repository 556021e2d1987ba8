"""Our own dialect, many texts: each is answered for itself, and a bad one spoils no other.

{"texts": ["A lovely film.", ""]}
-> {"results": [{"sentiment": "POSITIVE", ...}, {"error": "...", "error_type": "Validation"}]}
"""

from sentiment.body import Body, json_fields, type_name
from sentiment.dialects.native import as_json
from sentiment.errors import RequestError, Validation
from sentiment.prediction import Prediction
from sentiment.request import Request, check_texts, only_field
from sentiment.settings import Settings


def recognise(body: Body) -> bool:
    """JSON with the key "texts"."""
    return "texts" in json_fields(body)


def decode(body: Body, settings: Settings) -> Request:
    """Check every text; raises RequestError only for what is wrong with the list itself."""
    values = only_field(json_fields(body), ("texts",))
    if not isinstance(values, list):
        raise Validation(f'"texts" must be a list of strings, not {type_name(values)}.')
    return Request(check_texts(values, settings))


def encode(results: list[Prediction | RequestError]) -> object:
    """One entry a text, in order."""
    return {
        "results": [
            result.as_json() if isinstance(result, RequestError) else as_json(result)
            for result in results
        ]
    }
