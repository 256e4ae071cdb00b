// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "unit/weights/refusal.hpp"
#include "unit/weights/torch_bytes.hpp"

namespace osteon::test {
namespace {

using weights::Pickle;
using weights::Value;
using Kind = Value::Kind;

Pickle read(const std::string& bytes) { return Pickle(bytes, 0, "w.pth"); }

void expect_code_refused(const Code& code, const std::string& part, const std::optional<std::string>& where = {}) {
  const std::string bytes = pickle_of(code);
  expect_refused([&] { read(bytes); }, part, where);
}

TEST(Pickle, ReadsEveryKindOfObject) {
  const auto root = [](const Code& code) {
    static std::string bytes;  // texts point into it
    bytes = pickle_of(code);
    return read(bytes).root();
  };
  EXPECT_EQ(root("N").kind, Kind::kNone);
  EXPECT_EQ(root("\x88").integer, 1);
  EXPECT_EQ(root("\x89").kind, Kind::kBool);
  EXPECT_EQ(root("K\xff").integer, 255);
  EXPECT_EQ(root("M\x01\x02").integer, 0x0201);
  EXPECT_EQ(root("J\xfe\xff\xff\xff").integer, -2);
  EXPECT_EQ(root(std::string("\x8a\x00", 2)).integer, 0);
  EXPECT_EQ(root("\x8a\x01\x80").integer, -128);
  EXPECT_EQ(root("\x8a\x02\xff" + std::string(1, '\0')).integer, 255);
  EXPECT_EQ(root("\x8a\x08" + little(0x8000000000000000, 8)).integer, INT64_MIN);
  EXPECT_EQ(root(kMagic).kind, Kind::kLong);
  EXPECT_EQ(root("G" + std::string(8, 'd')).kind, Kind::kReal);
  EXPECT_EQ(root(text("\xc3\xa4")).text, "\xc3\xa4");
  EXPECT_EQ(root("U\x02py").text, "py");
  EXPECT_EQ(root("T" + little(3, 4) + "two").text, "two");
  EXPECT_EQ(root(global("torch", "FloatStorage")).global->dtype, "F32");
  EXPECT_EQ(root(global("torch.cuda", "FloatStorage")).global->dtype, "F32");
}

TEST(Pickle, ReadsLists) {
  const std::string bytes = pickle_of("](K\1K\2eK\3a(e");
  const Pickle pickle = read(bytes);
  ASSERT_EQ(pickle.root().kind, Kind::kList);
  ASSERT_EQ(pickle.root().items.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(pickle[pickle.root().items[i]].integer, static_cast<std::int64_t>(i) + 1);
}

TEST(Pickle, ReadsDicts) {
  const std::string bytes = pickle_of(dict({{"K\1", "K\2"}, {"K\3", "K\4"}}) + "K\5K\6s");
  const Pickle pickle = read(bytes);
  ASSERT_EQ(pickle.root().kind, Kind::kDict);
  ASSERT_EQ(pickle.root().items.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(pickle[pickle.root().items[i]].integer, static_cast<std::int64_t>(i) + 1);
}

TEST(Pickle, ReadsTuplesOfEverySize) {
  const std::string codes[] = {")", "K\1\x85", "K\1K\2\x86", "K\1K\2K\3\x87", "(K\1K\2K\3K\4t"};
  for (std::size_t size = 0; size < 5; ++size) {
    const std::string bytes = pickle_of(codes[size]);
    const Pickle pickle = read(bytes);
    ASSERT_EQ(pickle.root().kind, Kind::kTuple);
    ASSERT_EQ(pickle.root().items.size(), size);
    for (std::size_t i = 0; i < size; ++i)
      EXPECT_EQ(pickle[pickle.root().items[i]].integer, static_cast<std::int64_t>(i) + 1);
  }
}

TEST(Pickle, CallsAreKeptAsData) {
  const std::string bytes = pickle_of(ordered_dict({{text("a"), "K\1"}}) + dict({{text("_metadata"), "N"}}) + "b");
  const Pickle pickle = read(bytes);
  EXPECT_EQ(pickle.root().kind, Kind::kCall);
  EXPECT_EQ(pickle.root().global->name, "collections.OrderedDict");
  ASSERT_EQ(pickle.root().items.size(), 2u);  // and nothing of what BUILD gave
  EXPECT_EQ(pickle[pickle.root().items[0]].text, "a");
}

TEST(Pickle, ReadsTheOrderedDictsOfPython2) {
  const std::string pair = "](" + text("a") + "K\1e";
  const std::string bytes =
      pickle_of(call(global("collections", "OrderedDict"), "](" + pair + tuple({text("b"), "K\2"}) + "e\x85"));
  const Pickle pickle = read(bytes);
  ASSERT_EQ(pickle.root().items.size(), 4u);
  EXPECT_EQ(pickle[pickle.root().items[2]].text, "b");
  EXPECT_EQ(pickle[pickle.root().items[3]].integer, 2);
  expect_code_refused(call(global("collections", "OrderedDict"), "](K\1e\x85"), "no pairs");
}

TEST(Pickle, ReadsWhatTrainingScriptsPutBesideWeights) {
  const Code arguments = global("argparse", "Namespace") + ")\x81" + dict({{text("lr"), "K\1"}}) + "b";
  const Code number = call(global("numpy.core.multiarray", "scalar"),
                           tuple({call(global("numpy", "dtype"), tuple({text("f8")})) + numbers({3}) + "b",
                                  call(global("_codecs", "encode"), tuple({text("12345678"), text("latin1")}))}));
  const std::string bytes = pickle_of(dict({{text("args"), arguments}, {text("best"), number}}));
  const Pickle pickle = read(bytes);
  EXPECT_EQ(weights::global_name(pickle[pickle.root().items[1]]), "argparse.Namespace");
  EXPECT_EQ(weights::global_name(pickle[pickle.root().items[3]]), "numpy.core.multiarray.scalar");
}

TEST(Pickle, RemembersAndRecalls) {
  const std::string bytes = pickle_of("](K\7q\x05h\x05r" + little(70000, 4) + "j" + little(70000, 4) + "e");
  const Pickle pickle = read(bytes);
  ASSERT_EQ(pickle.root().items.size(), 3u);
  EXPECT_EQ(pickle.root().items[0], pickle.root().items[2]);
  expect_code_refused("h\x01", "recalls an object number 1", "w.pth:2");
  expect_code_refused("]q\x02h\x01", "recalls an object number 1");
  expect_code_refused("Nr" + little(0xffffffff, 4), "remembers an object under the number 4294967295");
  expect_code_refused("q\1", "where there is none");
}

TEST(Pickle, TellsHowFarItReaches) {
  const std::string first = pickle_of("K\1");
  EXPECT_EQ(read(first + "and more").size(), first.size());
}

TEST(Pickle, ReadsWhatPython2Wrote) {
  const auto root = [](const Code& code) {
    static std::string bytes;  // texts point into it
    bytes = pickle_of(code);
    return read(bytes).root();
  };
  EXPECT_EQ(root("I-12\n").integer, -12);
  EXPECT_EQ(root("I01\n").kind, Kind::kBool);
  EXPECT_EQ(root("I01\n").integer, 1);
  EXPECT_EQ(root("I00\n").integer, 0);
  EXPECT_EQ(root("L1099511627776L\n").integer, std::int64_t{1} << 40);
  EXPECT_EQ(root("L" + std::string(100, '9') + "L\n").kind, Kind::kReal);  // of which nobody needs the value
  EXPECT_EQ(root("F0.5\n").kind, Kind::kReal);
  EXPECT_EQ(root("\x8b" + little(2, 4) + "\x01\x02").integer, 0x0201);
  EXPECT_EQ(root("\x8b" + little(9, 4) + "123456789").kind, Kind::kLong);
  expect_code_refused("Ione\n", "'one' is no number", "w.pth:2");
  expect_code_refused("I1 2\n", "is no number");
  expect_code_refused("L\n", "is no number");
}

// Names are data: nothing is imported, so that a name that means harm does none.
TEST(Pickle, WhateverIsCalledIsKeptAsItsName) {
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"os", "system"},
                                                        {"builtins", "exec"},
                                                        {"collections", "Counter"},
                                                        {"omegaconf.dictconfig", "DictConfig"},
                                                        {"torch.storage", "_load_from_bytes"},
                                                        {"", ""}}) {
    const std::string bytes = pickle_of(call(global(module, name), tuple({text("false")})));
    const Pickle pickle = read(bytes);
    EXPECT_EQ(pickle.root().kind, Kind::kCall);
    EXPECT_EQ(pickle.root().global->role, weights::Global::Role::kOther);
    EXPECT_EQ(weights::global_name(pickle.root()), module + "." + name);
  }
  const std::string bytes = pickle_of(global("torch._utils", "_rebuild_qtensor"));
  EXPECT_EQ(read(bytes).root().global->role, weights::Global::Role::kOtherTensor);
}

TEST(Pickle, ObjectsOfUnknownClassesTakeAnything) {
  const Code object = global("my.net", "Net") + ")\x81";
  // Told about themselves, appended to, filled as a dict is, called, and made by a class that stands outside.
  for (const Code& code : {object + "}b", object + "K\1a", object + "(K\1K\2e", object + ")R",
                           tuple({text("module"), global("my.net", "Net"), text("net.py"), text("code")}) + "Q)\x81"}) {
    const std::string bytes = pickle_of(code);
    EXPECT_EQ(weights::global_name(read(bytes).root()), "my.net.Net");
  }
  const std::string filled = pickle_of(set_items(object, {{text("a"), "K\1"}}));
  EXPECT_EQ(read(filled).root().items.size(), 2u);
}

TEST(Pickle, ReadsTuplesThatContainThemselves) {
  // t = []; t.append((t,)) as Python writes the tuple: its content is taken down when it turns out to be known.
  const std::string one = pickle_of("]q\1h\1\x85q\2a0h\2");
  EXPECT_EQ(read(one).root().kind, Kind::kTuple);
  const std::string many = pickle_of("(]q\1(h\1NNNtq\2a1h\2");
  EXPECT_EQ(read(many).root().items.size(), 4u);
  const std::string mark = pickle_of("N(0");
  EXPECT_EQ(read(mark).root().kind, Kind::kNone);
  const std::string twice = pickle_of(
      "K\5"
      "2\x86");
  EXPECT_EQ(read(twice).root().items[0], read(twice).root().items[1]);
  expect_code_refused("0", "where there is none");
  expect_code_refused("1", "a mark that it never made");
  expect_code_refused("2", "where there is none");
}

// Of the same objects that protocol 2 has, the later protocols and the earlier ones write others' opcodes.
TEST(Pickle, ReadsEveryProtocol) {
  const auto root = [](const std::string& pickle) {
    static std::string bytes;  // texts point into it
    bytes = pickle;
    return read(bytes).root();
  };
  for (const char protocol : {0, 1, 2, 3, 4, 5})
    EXPECT_EQ(root(std::string("\x80") + protocol + "N.").kind, Kind::kNone);
  EXPECT_EQ(root("}.").kind, Kind::kDict);  // protocols 0 and 1 do not say which they are
  EXPECT_EQ(root("\x80\x04\x95" + little(2, 8) + "N.").kind, Kind::kNone);
  for (const Code& code : std::vector<Code>{"\x8c\x02py", "\x8d" + little(2, 8) + "py", "Vpy\np0\n", "S'py'\n"}) {
    EXPECT_EQ(root(code + ".").kind, Kind::kText);
    EXPECT_EQ(root(code + ".").text, "py");
  }
  for (const Code& code : std::vector<Code>{"C\x02py", "B" + little(2, 4) + "py", "\x8e" + little(2, 8) + "py",
                                            "\x96" + little(2, 8) + "py"}) {
    EXPECT_EQ(root(code + ".").kind, Kind::kBytes);
    EXPECT_EQ(root(code + ".").text, "py");
  }
  EXPECT_EQ(root("(K\1K\2l.").items.size(), 2u);
  EXPECT_EQ(root("(K\1K\2d.").kind, Kind::kDict);
  EXPECT_EQ(root("\x8f(K\1K\2\x90.").kind, Kind::kSet);
  EXPECT_EQ(root("\x8f(K\1K\2\x90.").items.size(), 2u);
  EXPECT_EQ(root("(K\1\x91.").kind, Kind::kSet);
  EXPECT_EQ(root("]p7\n0g7\n.").kind, Kind::kList);
  EXPECT_EQ(root("N\x94"
                 "0K\7\x94"
                 "0h\1.")
                .integer,
            7);  // the numbers of MEMOIZE go up from 0
  expect_refused([] { read("\x80\x06N."); }, "of protocol 6; those up to 5 are read");
  expect_refused([] { read("(dP('storage', 0)\n."); }, "of protocol 0, which cannot say where a tensor lies");
  expect_refused([] { read("Va\\u0041\n."); }, "an escape of protocol 0");
  expect_refused([] { read("Spy\n."); }, "a text in quotes was expected");
  expect_refused([] { read("Ngx\n."); }, "'x' is no number");
}

TEST(Pickle, NamesOfEveryProtocolCallTheSame) {
  const std::string module =
                        "\x8c\x0b"
                        "collections",
                    name =
                        "\x8c\x0b"
                        "OrderedDict";
  for (const Code& code :
       std::vector<Code>{module + name + "\x93)R", module + name + "\x93)\x81", module + name + "\x93)}\x92",
                         "(icollections\nOrderedDict\n", "(ccollections\nOrderedDict\no"}) {
    const std::string bytes = code + ".";
    const Pickle pickle = read(bytes);
    EXPECT_EQ(pickle.root().global->role, weights::Global::Role::kDict);
    EXPECT_EQ(weights::global_name(pickle.root()), "collections.OrderedDict");
  }
  std::string bytes =
      "\x8c\x02os\x8c\x06system\x93\x8c\x05"
      "false\x85R.";
  Pickle first = read(bytes);
  const Pickle moved = std::move(first);
  EXPECT_EQ(weights::global_name(moved.root()), "os.system");
  expect_refused([] { read("NN\x93."); }, "something else than two short texts");
  expect_refused([] { read("(o."); }, "an object of no class");
}

TEST(Pickle, RefusesEveryUnknownOpcode) {
  const std::string known =
      "(.012N\x88\x89IJKLM\x8a\x8b"
      "FGXTUVSBC\x8c\x8d\x8e\x96]lae}dsu)t\x85\x86\x87\x8f\x90\x91"
      "c\x93R\x81\x92io\x80\x95"
      "bPQghjpqr\x94";
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (known.find(static_cast<char>(opcode)) != std::string::npos) continue;
    expect_code_refused(std::string(1, static_cast<char>(opcode)), "the pickle has the opcode 0x", "w.pth:2");
  }
}

TEST(Pickle, RefusesEveryTruncation) {
  const std::string file = pickle_of(
      dict({{text("weight"), vector("FloatStorage", "0", 3)}, {text("n"), "M\1\2"}, {text("x"), "G12345678"}}) + "q\1");
  ASSERT_NO_THROW(read(file));
  for (std::size_t size = 0; size < file.size(); ++size) expect_refused([&] { read(file.substr(0, size)); }, "");
}

TEST(Pickle, RefusesMisuse) {
  expect_code_refused("", "ends with 0 objects");
  expect_code_refused("NN", "ends with 2 objects");
  expect_code_refused("N(", "ends with 1 objects");
  expect_code_refused("t", "a mark that it never made");
  expect_code_refused("N(\x85", "where there is none");  // what is below the mark is out of reach
  expect_code_refused("N(R", "where there is none");
  expect_code_refused("NNa", "appends to what is no list");
  expect_code_refused("NNNs", "sets items of what is no dict");
  expect_code_refused("}(Nu", "a key without a value");
  expect_code_refused("N)R", "calls what is no function");
  expect_code_refused(global("torch", "Size") + "NR", "not with a tuple");
  expect_code_refused("NQ", "is no tuple");
  expect_code_refused("X\xff\xff\xff\xffzz", "4294967295 bytes were expected here, 3 are left");
  expect_code_refused("\x8a\xffzz", "255 bytes were expected");
  expect_code_refused("c" + std::string(300, 'm') + "\nn\n", "does not end within 256 bytes");
}

// Python's own reader needs a stack frame for each level of such a list, or for the destruction of it.
TEST(Pickle, DeepNestingCostsNoStack) {
  constexpr int kDepth = 900000;
  const std::string bytes = pickle_of(std::string(kDepth, ']') + std::string(kDepth - 1, 'a'));
  EXPECT_EQ(read(bytes).values().size(), static_cast<std::size_t>(kDepth));
  std::string tuples = "N";
  for (int i = 0; i < kDepth; ++i) tuples += "\x85";
  EXPECT_EQ(read(pickle_of(tuples)).values().size(), static_cast<std::size_t>(kDepth) + 1);
}

TEST(Pickle, AnObjectMayContainItself) {
  const std::string bytes = pickle_of("]q\1h\1a");
  const Pickle pickle = read(bytes);
  EXPECT_EQ(pickle.root().items.front(), pickle.root_id());
}

// Each list holds the one before it ten times: 10^100 items for who would walk through them.
TEST(Pickle, RepeatedReferencesAreNotExpanded) {
  Code code = "]q" + std::string(1, '\0');
  for (int level = 1; level <= 100; ++level) {
    code += "](";
    for (int i = 0; i < 10; ++i) code += "h" + little(static_cast<std::uint64_t>(level - 1), 1);
    code += "eq" + little(static_cast<std::uint64_t>(level), 1);
  }
  code += "\x86";
  for (int level = 2; level <= 100; ++level) code += "\x86";
  EXPECT_EQ(read(pickle_of(code)).root().items.size(), 2u);
}

TEST(Pickle, RefusesToMakeMoreThanAStateDictHas) {
  expect_code_refused(std::string(2'000'001, 'N'), "more than 2000000 objects");
  std::string steps = "Nq\1";
  for (int i = 0; i < 4'000'000; ++i) steps += "q\1q\1";
  expect_code_refused(steps, "more than 8000000 steps");
  // One list of pairs from which dict after dict is made.
  Code pairs = "](";
  for (int i = 0; i < 10000; ++i) pairs += "NN\x86";
  pairs += "e\x85q\1";
  for (int i = 0; i < 1000; ++i) pairs += global("collections", "OrderedDict") + "h\1R";
  expect_code_refused(pairs, "more than any state dict has");
  // Long names put together over and over.
  Code named = text(std::string(256, 'm')) + "q\1" + text(std::string(256, 'n')) + "q\2";
  for (int i = 0; i < 40000; ++i) named += "h\1h\2\x93";
  expect_code_refused(named, "names more functions than any state dict has");
}

}  // namespace
}  // namespace osteon::test
