#include "__name__.hpp"

OSTEON_PLUGIN("__name__", "0.1.0",
              osteon::sdk::ensembler<__Class__>({"__name__", "0.1.0",
                                                 "The geometric mean of the members' probabilities, to begin with."}))
