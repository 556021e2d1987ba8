"""The clients of hosted services, pointed at a server by its address alone; `with` closes them.

python -m tests.integration.hosted http://127.0.0.1:8080
"""

import os
import sys
from contextlib import closing
from typing import Any

# Without it, litellm fetches a list of prices when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import boto3
import openai
from azure.ai.textanalytics import TextAnalyticsClient
from azure.core.credentials import AzureKeyCredential
from botocore.config import Config
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import language_v1, language_v2

TEXT = "A gripping, beautifully shot film."


def base_address(server: str) -> str:
    """The address below which all but AWS's clients find their paths."""
    return f"{server}/predictions/sentiment/1.0"


def comprehend(server: str, key: str = "any", **options: Any) -> Any:
    """A client that does not retry."""
    client = boto3.client(
        "comprehend",
        endpoint_url=f"{server}/predictions/sentiment",
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )
    return closing(client)


def moderations(server: str, key: str = "any", **options: Any) -> Any:
    """A client that does not retry."""
    return openai.OpenAI(base_url=base_address(server), api_key=key, max_retries=0, **options)


def azure(server: str, key: str = "any", **options: Any) -> Any:
    """A client that does not retry."""
    return TextAnalyticsClient(
        base_address(server), AzureKeyCredential(key), retry_total=0, **options
    )


def google(server: str, key: str | None = None, version: Any = language_v2) -> Any:
    """A client that retries, unless a call says `retry=None`."""
    return version.LanguageServiceClient(
        transport="rest",
        credentials=None if key else AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=base_address(server), api_key=key),
    )


def main(server: str) -> None:
    """Have each client score one text, and print what it got."""
    import litellm

    with comprehend(server) as client:
        print("comprehend", client.detect_sentiment(Text=TEXT, LanguageCode="en")["Sentiment"])
    with moderations(server) as client:
        print("openai", client.moderations.create(input=TEXT).results[0].flagged)
    base = base_address(server)
    answer = litellm.moderation(input=TEXT, api_base=base, api_key="any")
    print("litellm", answer.results[0].flagged)
    with azure(server) as client:
        print("azure", client.analyze_sentiment([TEXT])[0].sentiment)
    for version in (language_v1, language_v2):
        document = {"content": TEXT, "type_": version.Document.Type.PLAIN_TEXT}
        with google(server, version=version) as client:
            sentiment = client.analyze_sentiment(document=document).document_sentiment
        print("google", sentiment.score > 0)


if __name__ == "__main__":
    main(sys.argv[1])
