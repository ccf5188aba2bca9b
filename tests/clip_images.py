"""The image processor of CLIP that needs pillow alone, by the name it has in the transformers that is installed."""

import transformers

CLIPImages = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor  # before 5.1
