"""Descriptions of small random checkpoints, one per kind that users package."""

from dataclasses import dataclass, field
from typing import Any

from sentiment.inference.engines.engine import Layout
from tests.vocabularies import (
    CHINESE,
    DNA,
    SentencepieceOnly,
    Vocabulary,
    byte_fallback,
    byte_level,
    unigram,
    wordpiece,
)

Config = dict[str, Any]

POSITIONS = 128
# The same sizes, under the names of each family.
BERT: Config = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": POSITIONS,
}
DISTILBERT: Config = {
    **{"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32},
    "max_position_embeddings": POSITIONS,
}
GPT2: Config = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": POSITIONS}
LLAMA: Config = {**BERT, "num_key_value_heads": 1, "head_dim": 8}
BART: Config = {
    **{"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "max_position_embeddings": 128},
    **{"encoder_attention_heads": 2, "decoder_attention_heads": 2},
    **{"encoder_ffn_dim": 32, "decoder_ffn_dim": 32},
}
T5: Config = {
    **{"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2},
    "decoder_start_token_id": 0,
}
FUNNEL: Config = {
    **{"d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32, "block_sizes": [1, 1]},
    "max_position_embeddings": POSITIONS,
}
XLNET: Config = {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32}
DEBERTA: Config = {**BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
DEBERTA_V3: Config = {
    **{"position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    **{"position_biased_input": False, "pooler_hidden_size": 16},
}
INFERENCE: Config = {
    "id2label": {0: "contradiction", 1: "neutral", 2: "entailment"},
    "label2id": {"contradiction": 0, "neutral": 1, "entailment": 2},
}
MULTI_LABEL: Config = {"num_labels": 4, "problem_type": "multi_label_classification"}

DEBERTA_V2_SPECIALS = "[PAD] [CLS] [SEP] [UNK] [MASK]"
XLNET_SPECIALS = "<unk> <s> </s> <cls> <sep> <pad> <mask> <eod> <eop>"
QWEN_SPECIALS = "<|endoftext|> <|im_start|> <|im_end|>"


def _bert() -> Any:
    return wordpiece("BertTokenizer")


def _roberta() -> Any:
    return byte_level("RobertaTokenizer")


def _gpt2() -> Any:
    return byte_level("GPT2Tokenizer", "<|endoftext|>")


def _llama() -> Any:
    return byte_fallback("LlamaTokenizer", "<unk> <s> </s>")


def _xlm_roberta() -> Any:
    return unigram("XLMRobertaTokenizer", "<s> <pad> </s> <unk>")


def _deberta_v2() -> Any:
    return unigram("DebertaV2Tokenizer", DEBERTA_V2_SPECIALS, "[UNK]")


@dataclass(frozen=True)
class Kind:
    """A kind of checkpoint: an architecture, its sizes, a vocabulary and a head.

    `pad` is the config's pad_token_id; "config" takes the tokenizer's. `exported` is the expected
    row layout of the exported model, None if there is none; `torch` is that of the torch engine.
    `refused` is part of the error if the checkpoint cannot be packaged.
    """

    name: str
    model_type: str
    config: Config
    vocabulary: Vocabulary
    changes: Config = field(default_factory=dict)
    pad: int | str | None = "config"
    exported: Layout | None = "padded"
    torch: Layout = "padded"
    refused: str = ""


ZOO = (
    Kind("BERT", "bert", BERT, _bert, exported="packed"),
    Kind("BERT, three labels", "bert", BERT, _bert, {"num_labels": 3}, exported="packed"),
    Kind("BERT, 5,000 labels", "bert", BERT, _bert, {"num_labels": 5_000}, exported="packed"),
    Kind("BERT, multi-label", "bert", BERT, _bert, MULTI_LABEL, exported="packed"),
    Kind("BERT, one logit", "bert", BERT, _bert, {"num_labels": 1}, exported="packed"),
    Kind(
        "BERT, regression",
        "bert",
        BERT,
        _bert,
        {"num_labels": 1, "problem_type": "regression"},
        exported="packed",
    ),
    Kind("BERT, pairs of texts", "bert", BERT, _bert, INFERENCE, exported="packed"),
    Kind(
        "BERT, Chinese",
        "bert",
        BERT,
        lambda: wordpiece("BertTokenizer", texts=CHINESE),
        exported="packed",
    ),
    Kind(
        "BERT, DNA", "bert", BERT, lambda: wordpiece("BertTokenizer", texts=DNA), exported="packed"
    ),
    Kind(
        "DistilBERT",
        "distilbert",
        DISTILBERT,
        lambda: wordpiece("DistilBertTokenizer"),
        exported="packed",
    ),
    Kind(
        "ALBERT",
        "albert",
        BERT | {"embedding_size": 8},
        lambda: unigram("AlbertTokenizer", "<pad> <unk> [CLS] [SEP] [MASK]"),
        exported="packed",
    ),
    Kind(
        "ELECTRA",
        "electra",
        BERT | {"embedding_size": 8},
        lambda: wordpiece("ElectraTokenizer"),
        exported="packed",
    ),
    Kind("RoBERTa", "roberta", BERT, _roberta, exported="packed"),
    Kind("RoBERTa, pairs of texts", "roberta", BERT, _roberta, INFERENCE, exported="packed"),
    Kind("XLM-R", "xlm-roberta", BERT, _xlm_roberta, exported="packed"),
    Kind(
        "CamemBERT",
        "camembert",
        BERT,
        lambda: unigram("CamembertTokenizer", "<s>NOTUSED <pad> </s>NOTUSED <unk>"),
        exported="packed",
    ),
    Kind(
        "MPNet",
        "mpnet",
        BERT,
        lambda: wordpiece("MPNetTokenizer", "[UNK] <s> <pad> </s> <mask>"),
        exported="packed",
    ),
    Kind(
        "DeBERTa",
        "deberta",
        DEBERTA,
        lambda: byte_level("DebertaTokenizer", "[PAD] [CLS] [SEP] [UNK] [MASK]"),
    ),
    Kind("DeBERTa-v2", "deberta-v2", DEBERTA | {"conv_kernel_size": 3}, _deberta_v2),
    Kind("DeBERTa-v3", "deberta-v2", DEBERTA | DEBERTA_V3, _deberta_v2),
    Kind("DeBERTa-v3, pairs of texts", "deberta-v2", DEBERTA | DEBERTA_V3, _deberta_v2, INFERENCE),
    Kind(
        "DeBERTa-v3, sentencepiece alone",
        "deberta-v2",
        DEBERTA | DEBERTA_V3,
        lambda: SentencepieceOnly("DebertaV2Tokenizer", "[PAD] [CLS] [SEP] [UNK]", "[UNK]"),
    ),
    Kind("ModernBERT", "modernbert", BERT | {"local_attention": 8}, _bert),
    Kind(
        "ModernBERT, mean pooling",
        "modernbert",
        BERT | {"local_attention": 8, "classifier_pooling": "mean"},
        _bert,
    ),
    Kind(
        "BigBird",
        "big_bird",
        BERT | {"block_size": 4, "num_random_blocks": 1},
        lambda: unigram("BigBirdTokenizer", "<pad> </s> <s> <unk>"),
        exported="packed",
    ),
    Kind(
        "Longformer",
        "longformer",
        BERT | {"attention_window": 8},
        lambda: byte_level("LongformerTokenizer"),
        exported=None,
    ),
    Kind(
        "Funnel",
        "funnel",
        FUNNEL,
        lambda: wordpiece("FunnelTokenizer", "<unk> <pad> <cls> <sep> <mask>"),
        exported=None,
    ),
    Kind(
        "XLNet",
        "xlnet",
        XLNET,
        lambda: unigram("XLNetTokenizer", XLNET_SPECIALS),
        exported=None,
        torch="equal",
    ),
    Kind(
        "FNet",
        "fnet",
        BERT,
        lambda: unigram("FNetTokenizer", "<pad> <unk> [CLS] [SEP] [MASK]"),
        exported=None,
        torch="equal",
    ),
    Kind("BART", "bart", BART, lambda: byte_level("BartTokenizer")),
    Kind("BART, pairs of texts", "bart", BART, lambda: byte_level("BartTokenizer"), INFERENCE),
    Kind(
        "mBART",
        "mbart",
        BART,
        lambda: unigram("MBartTokenizer", "<s> <pad> </s> <unk>"),
        exported=None,
    ),
    Kind("T5", "t5", T5, lambda: unigram("T5Tokenizer", "<pad> </s> <unk>")),
    Kind("UMT5", "umt5", T5, lambda: unigram("T5Tokenizer", "<pad> </s> <unk>")),
    Kind("GPT-2, no pad token", "gpt2", GPT2, _gpt2, pad=None),
    Kind("GPT-2, pads with its end of text", "gpt2", GPT2, _gpt2, pad=0),
    Kind("Llama, no pad token", "llama", LLAMA, _llama, pad=None),
    Kind("Llama, pad token -1", "llama", LLAMA, _llama, pad=-1),
    Kind("Llama, pads with its unknown token", "llama", LLAMA, _llama, pad=0),
    Kind("Qwen2", "qwen2", LLAMA, lambda: byte_level("Qwen2Tokenizer", QWEN_SPECIALS)),
    Kind(
        "Gemma",
        "gemma",
        LLAMA,
        lambda: byte_fallback("GemmaTokenizer", "<pad> <eos> <bos> <unk>"),
    ),
)
