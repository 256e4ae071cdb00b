#include "__name__.hpp"

OSTEON_PLUGIN("__name__", "0.1.0",
              osteon::sdk::torch_loss<__Class__>({"__name__", "0.1.0",
                                                  "Cross-entropy that looks at hard pixels, to begin with.",
                                                  "Lin et al., arXiv:1708.02002"}))
