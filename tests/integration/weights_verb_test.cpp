// SPDX-License-Identifier: Apache-2.0
// `osteon weights inspect` and `osteon weights convert`, as people and scripts call them.
#include <algorithm>
#include <cstdint>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/program.hpp"
#include "unit/weights/torch_bytes.hpp"
#include "weights/safetensors.hpp"

namespace osteon::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class WeightsVerb : public ::testing::Test {
 protected:
  WeightsVerb() {
    const Code weights = ordered_dict({{text("conv.weight"), tensor(storage("ByteStorage", "0", 6), 0, {2, 3}, {3, 1})},
                                       {text("count"), tensor(storage("LongStorage", "1", 1), 0, {}, {})}});
    const Code averages = dict({{text("mean"), tensor(storage("ByteStorage", "0", 6), 4, {2}, {1})}});
    write_text(file(),
               torch_zip(dict({{text("state_dict"), weights}, {text("model_ema"), averages}, {text("epoch"), "K\3"}}),
                         {{"0", "abcdef"}, {"1", little(7, 8)}}));
  }
  std::string file() const { return (folder_ / "weights.pth").string(); }
  std::string out() const { return (folder_ / "weights.safetensors").string(); }
  static Outcome weights(const std::string& arguments) { return run_program(OSTEON_PROGRAM, "weights " + arguments); }

  TemporaryFolder folder_;
};

TEST_F(WeightsVerb, HelpWorksAtEveryLevel) {
  for (const char* verb : {"", "inspect", "convert"}) {
    const Outcome outcome = weights(std::string(verb) + " -h");
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Usage"));
  }
}

TEST_F(WeightsVerb, InspectGivesTheKeysThatScriptsRead) {
  const Outcome outcome = weights("inspect --json " + file());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json result = json::parse(outcome.out);
  EXPECT_EQ(result.at("tensors"), json::parse(R"([{"name": "conv.weight", "dtype": "U8", "shape": [2, 3]},
                                                  {"name": "count", "dtype": "I64", "shape": []}])"));
  EXPECT_EQ(result.at("metadata"), json::object());
  EXPECT_EQ(result.at("format"), "PyTorch");
  EXPECT_EQ(result.at("key"), "state_dict");
  EXPECT_EQ(result.at("other_keys"), json({"model_ema"}));
  EXPECT_EQ(result.at("left_out"), json({"model_ema (a dict of 1)", "epoch (a number)"}));
  EXPECT_EQ(result.at("elements"), 7);
  EXPECT_EQ(result.at("bytes"), 14);
}

TEST_F(WeightsVerb, InspectShowsATableWithTotals) {
  const Outcome outcome = weights("inspect " + file());
  EXPECT_EQ(outcome.out,
            "name         dtype    shape\n"
            "conv.weight  U8       [2, 3]\n"
            "count        I64      []\n"
            "\n"
            "2 tensors, 7 elements, 14 bytes: 1 I64, 1 U8\n"
            "format: PyTorch\n"
            "state dict: state_dict\n"
            "other state dicts (--key): model_ema\n"
            "left out: model_ema (a dict of 1), epoch (a number)\n");
}

TEST_F(WeightsVerb, InspectAnswersWithoutTheEngine) {
  double best = 1;
  for (int i = 0; i < 5; ++i) best = std::min(best, weights("inspect " + file()).processor_seconds);
  EXPECT_LT(best, 0.1);
}

TEST_F(WeightsVerb, ConvertWritesSafetensors) {
  const Outcome outcome = weights("convert --json " + file() + " " + out());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("tensors"), 2);
  const weights::SafetensorsFile written(out());
  EXPECT_EQ(written.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_NE(written.find("conv.weight"), nullptr);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(written.find("conv.weight")->data), 6), "abcdef");
}

TEST_F(WeightsVerb, ConvertTakesTheStateDictThatIsAskedFor) {
  EXPECT_THAT(weights("convert --key model_ema " + file() + " " + out()).out, HasSubstr("1 tensor, 2 bytes"));
  const weights::SafetensorsFile written(out());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(written.find("mean")->data), 2), "ef");
  const Outcome outcome = weights("convert --overwrite --key model " + file() + " " + out());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("no state dict 'model'"), HasSubstr("there is 'state_dict', 'model_ema'")));
}

TEST_F(WeightsVerb, ConvertKeepsMetadataOfSafetensors) {
  const std::string bytes = "abc", in = (folder_ / "in.safetensors").string();
  osteon::weights::write_safetensors(in, {{"w", "U8", {3}, reinterpret_cast<const std::byte*>(bytes.data()), 3}},
                                     {{"format", "np"}, {"by", "hand"}});
  ASSERT_EQ(weights("convert " + in + " " + out()).exit_code, 0);
  EXPECT_EQ(slurp(in), slurp(out()));
  ASSERT_EQ(weights("convert --overwrite " + in + " " + in).exit_code, 0);  // onto itself
  EXPECT_EQ(slurp(in), slurp(out()));
}

TEST_F(WeightsVerb, ConvertJoinsShards) {
  write_text(folder_ / "pytorch_model.bin.index.json",
             R"({"weight_map":{"count":"weights.pth","conv.weight":"w.safetensors"}})");
  const std::string bytes = "ghijkl";
  osteon::weights::write_safetensors(
      folder_ / "w.safetensors", {{"conv.weight", "U8", {2, 3}, reinterpret_cast<const std::byte*>(bytes.data()), 6}});
  const std::string index = (folder_ / "pytorch_model.bin.index.json").string();
  const Outcome outcome = weights("inspect --json " + index);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("format"), "PyTorch in 2 shards");
  EXPECT_EQ(json::parse(outcome.out).at("left_out"),
            json({"weights.pth: model_ema (a dict of 1)", "weights.pth: epoch (a number)",
                  "weights.pth: conv.weight (a tensor that the index does not name)"}));
  ASSERT_EQ(weights("convert " + index + " " + out()).exit_code, 0);
  const weights::SafetensorsFile written(out());
  ASSERT_EQ(written.tensors().size(), 2u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(written.find("conv.weight")->data), 6), bytes);
}

TEST_F(WeightsVerb, ConvertReplacesNothingUnasked) {
  write_text(out(), "precious");
  const Outcome outcome = weights("convert " + file() + " " + out());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--overwrite"));
  EXPECT_EQ(slurp(out()), "precious");
  EXPECT_EQ(weights("convert --overwrite " + file() + " " + out()).exit_code, 0);
  EXPECT_NE(slurp(out()), "precious");
  EXPECT_EQ(weights("convert " + file() + " " + (folder_ / "new.pth").string()).exit_code, 2);
}

TEST_F(WeightsVerb, ConvertWritesNothingOfADamagedFile) {
  std::string bytes = slurp(file());
  bytes[bytes.find("abcdef")] = 'A';
  write_text(file(), bytes);
  const Outcome outcome = weights("convert " + file() + " " + out());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("does not have the checksum"));
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(WeightsVerb, NamesThatSafetensorsCannotHoldAreRefused) {
  for (const char* name : {"__metadata__", "\xff"}) {
    write_text(file(), torch_zip(dict({{text(name), vector("ByteStorage", "0", 3)}}), {{"0", "xyz"}}));
    EXPECT_EQ(weights("inspect " + file()).exit_code, 0);
    const Outcome outcome = weights("convert " + file() + " " + out());
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(out()));
  }
}

TEST_F(WeightsVerb, NothingInAFileIsRun) {
  const Code attack = call(global("os", "system"), tuple({text("touch " + out())}));
  write_text(file(),
             torch_zip(dict({{text("w"), vector("ByteStorage", "0", 3)}, {text("x"), attack}}), {{"0", "xyz"}}));
  const Outcome outcome = weights("inspect --json " + file());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("left_out"), json({"x (os.system)"}));
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(WeightsVerb, ErrorsNameTheFileAndTheByte) {
  write_text(file(), torch_zip(global("my.net", "Net") + ")\x81", {}));
  const Outcome outcome = weights("inspect --json " + file());
  EXPECT_EQ(outcome.exit_code, 3);
  const json error = json::parse(outcome.out).at("error");
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("my.net.Net"));
  EXPECT_THAT(error.at("where").get<std::string>(), HasSubstr(file() + ":"));
  EXPECT_EQ(weights("inspect /no/such/file").exit_code, 3);
}

TEST_F(WeightsVerb, NamesDoNotReachTheTerminalAsCommands) {
  write_text(file(), torch_zip(dict({{text("w\x1b[2J"), vector("ByteStorage", "0", 3)}}), {{"0", "xyz"}}));
  EXPECT_THAT(weights("inspect " + file()).out, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace osteon::test
