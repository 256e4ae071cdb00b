// What is particular to this ensembler. What every one has to keep (any order of members, bands, groups, ...) is
// checked by `osteon plugins validate`.
#include <cmath>
#include <cstdio>
#include <vector>

#include <osteon/sdk/testing.hpp>

#include "__name__.hpp"

int main() {
  using namespace osteon::sdk;
  const testing::TestCall call;
  EnsemblerRequest request;
  request.class_names = {"one"};
  request.member_names = {"a", "b"};
  const __Class__ ensembler({}, request);

  const std::int32_t classes[] = {0};
  auto band = sized<osteon_band>();
  band.height = 1;
  band.width = 2;
  band.n_classes = 1;
  band.classes = classes;
  std::vector<float> a = {0.2f, 0.9f}, b = {0.8f, 0.4f};
  const auto accumulation = ensembler.begin(call.get(), band);
  accumulation->add(call.get(), 0, BorrowedTensor(a.data(), {1, 1, 2}).view());
  accumulation->add(call.get(), 1, BorrowedTensor(b.data(), {1, 1, 2}).view());
  const OwnedTensor mean = accumulation->finish(call.get());

  bool fine = true;
  const double expected[] = {0.4, 0.6};
  for (int i = 0; i < 2; ++i) {
    const double value = static_cast<double>(mean.data<float>()[i]);
    std::printf("%.6f, expected %.6f\n", value, expected[i]);
    fine = fine && std::abs(value - expected[i]) < 1e-5;
  }
  return fine ? 0 : 1;
}
