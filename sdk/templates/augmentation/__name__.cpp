#include "__name__.hpp"

OSTEON_PLUGIN("__name__", "0.1.0",
              osteon::sdk::augmentation<__Class__>({"__name__", "0.1.0", "A random gamma, to begin with."}))
