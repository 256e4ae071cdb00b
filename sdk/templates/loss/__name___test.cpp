// What is particular to this loss. What every loss has to keep (its gradient, masks, weights, accumulation, ...) is
// checked by `osteon plugins validate`.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "__name__.hpp"

namespace {

// One pixel of one class, set, with this logit.
double loss_of(double gamma, float logit) {
  std::vector<float> logits = {logit};
  std::vector<std::int32_t> planes = {1};
  const osteon::sdk::BorrowedTensor x(logits.data(), {1, 1, 1, 1}), y(planes.data(), {1, 1, 1, 1});
  auto input = osteon::sdk::sized<osteon_loss_input>();
  input.logits = x;
  input.target = y;
  const osteon::sdk::TorchTarget target(input, false);
  const __Class__ loss({gamma}, {});
  return loss.forward(at::from_blob(logits.data(), {1, 1, 1, 1}), target).item<double>();
}

bool near(const char* what, double value, double expected) {
  std::printf("%s: %.6f, expected %.6f\n", what, value, expected);
  return std::abs(value - expected) < 1e-5;
}

}  // namespace

int main() {
  const double entropy = std::log(2.0);  // of a pixel that could be either
  bool fine = near("gamma 0 is cross-entropy", loss_of(0, 0), entropy);
  fine = near("gamma 2 weighs by (1 - p) squared", loss_of(2, 0), 0.25 * entropy) && fine;
  return fine ? 0 : 1;
}
