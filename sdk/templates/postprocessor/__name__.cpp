#include "__name__.hpp"

OSTEON_PLUGIN("__name__", "0.1.0",
              osteon::sdk::postprocessor<__Class__>({"__name__", "0.1.0", "Temperature scaling, to begin with.",
                                                     "Guo et al., arXiv:1706.04599"}))
