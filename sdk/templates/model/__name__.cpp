#include "__name__.hpp"

OSTEON_PLUGIN("__name__", "0.1.0",
              osteon::sdk::torch_model<__Class__>({"__name__", "0.1.0", "Three convolutions, to begin with."}))
