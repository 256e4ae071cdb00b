// What is particular to this model. What every model has to keep is checked by `osteon plugins validate`.
#include <cstdio>

#include "__name__.hpp"

int main() {
  osteon::sdk::ModelRequest request;
  request.in_channels = 3;
  request.n_classes = 5;
  __Class__ model({}, request);
  const torch::Tensor logits = model.forward(torch::zeros({2, 3, 16, 24}));
  const bool fits = logits.sizes() == torch::IntArrayRef({2, 5, 16, 24});
  std::puts(fits ? "logits have the size of the image" : "logits have another size than the image");
  return fits ? 0 : 1;
}
