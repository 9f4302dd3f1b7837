"""Convolution and its transpose, for any size, kernel, stride, padding, dilation and channels, in a few lines each.

`sizes` has the arithmetic of sizes, `direct` the two operations, `views` the same two as one matrix, and the second
as an ordinary convolution. They are written to be read: to train a network, take torch.nn.functional's, which give the
same values and gradients.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "direct": ["corr2d", "trans_conv"],
        "sizes": ["conv_output_size", "conv_transpose_output_size"],
        "views": ["flip_kernel", "kernel2matrix", "stretch", "stretched_input"],
    },
)
