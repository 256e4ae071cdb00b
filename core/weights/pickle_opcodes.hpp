// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace osteon::weights {

/// What a pickle is made of, in the protocols 0 to 5. Python has a name for each. Not here is what torch.save writes in
/// none of them: extension codes and buffers that stand outside of the pickle.
enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDuplicate = '2',
  kProtocol = 0x80,
  kFrame = 0x95,

  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kDecimalInt = 'I',
  kDecimalLong = 'L',
  kDecimalReal = 'F',
  kBinFloat = 'G',

  kUnicodeLine = 'V',
  kStringLine = 'S',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kBinBytes8 = 0x8e,
  kByteArray8 = 0x96,

  kEmptyList = ']',
  kList = 'l',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kDict = 'd',
  kSetItem = 's',
  kSetItems = 'u',
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,

  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kNewObject = 0x81,
  kNewObjectEx = 0x92,
  kInstance = 'i',
  kObject = 'o',
  kBuild = 'b',
  kPersistentId = 'P',
  kBinPersistentId = 'Q',

  kGet = 'g',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kPut = 'p',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
};

}  // namespace osteon::weights
