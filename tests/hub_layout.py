"""What a one-vector student is on disk and on the hub, file by file."""

STUDENT = {
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "2_Dense/model.safetensors",
    "3_Normalize/config.json",
    "README.md",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
}
PLAIN = {name.replace("1_Pooling", "2_Pooling").replace("2_Dense", "1_Dense") for name in STUDENT}
"""The same where sentence-transformers wrote it: the order of modules in memory."""
