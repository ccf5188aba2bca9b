"""What a one-vector student is on disk and on the hub, file by file."""

STUDENT = {
    "1_Dense/config.json",
    "1_Dense/model.safetensors",
    "2_Pooling/config.json",
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
