// What is particular to this augmentation. What every one has to keep (its key, its range, its dtypes, ...) is checked
// by `osteon plugins validate`.
#include <cstdio>
#include <vector>

#include <osteon/sdk/testing.hpp>

#include "__name__.hpp"

int main() {
  std::vector<std::uint8_t> image = {0, 64, 128, 255};
  const osteon::sdk::BorrowedTensor view(image.data(), {2, 2, 1});
  auto raw = osteon::sdk::sized<osteon_pixels>();
  raw.image = view;
  raw.maximum = 255;
  osteon::sdk::Pixels pixels(raw);
  osteon::sdk::Random random(1, 2);
  const osteon::sdk::testing::TestCall call;

  // An interval of one value leaves nothing to chance, so that the formula can be checked.
  __Class__::Params params;
  params.gamma = {2.0, 2.0};
  __Class__(params, {}).apply(call.get(), random, pixels);
  const std::vector<std::uint8_t> expected = {0, 16, 64, 255};
  for (std::size_t i = 0; i < image.size(); ++i) std::printf("%d, expected %d\n", image[i], expected[i]);
  return image == expected ? 0 : 1;
}
