"""Chinese, Japanese and Korean names, which no space parts from what stands beside them.

Only where a word says that a name follows or has gone before: an introduction, a form's field, an honorific.
"""

# ruff: noqa: E501, RUF001 - forms and lists of words read best on one line, and hold signs of all scripts

import re
from collections.abc import Iterator

from app.guard.types import Hit

ENTITY = "PERSON"

_CHINESE = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史"
    "陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤張劉陳楊黃趙吳孫馬鄭謝羅許韓馮鄧葉蘇呂盧鍾譚陸廖賈龍賀顧龔錢嚴湯歐"
)
_KOREAN = "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국어은편용"
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:姓名|名字|我叫|我是|叫做|名叫|联系人|聯絡人|收件人|收货人|客户|患者|病人|员工|申请人|经办人|老师|同事|朋友|老公|老婆)(?:是|为|叫)?[：:\s]{{0,2}}([{_CHINESE}][\u4e00-\u9fff]{{1,2}}(?=[^\u4e00-\u9fff]|$|的|和|在|说|先生|女士|，))",
        rf"([{_CHINESE}][\u4e00-\u9fff]{{0,2}})(?=先生|女士|小姐|老师|同学|经理|医生|教授|总|太太)",
        r"(?:氏名|名前は?|お名前|担当者?|患者|私は|宛名|差出人)[：:は\s\u3000]{0,2}([\u4e00-\u9fff々]{1,4}[ \u3000]?[\u4e00-\u9fff々ぁ-んァ-ヶー]{1,4}?)(?=です|と申|といい|[、。，,\s]|$|様|さん|の)",
        r"([\u4e00-\u9fff々]{2,4}(?:[ \u3000][\u4e00-\u9fff々ぁ-んァ-ヶ]{1,4})?|[ァ-ヶー]{2,8})(?=さん|様|さま|氏(?!名)|くん|君|ちゃん|先生)",
        rf"(?:저는|제 이름은|이름은?|성명|성함은?|고객명?|환자|담당자|수신|발신|받는 ?사람|친구|동료|나는|내 이름은)[：:\s]{{0,2}}([{_KOREAN}][가-힣]{{1,2}})(?=입니다|이고|이라고|라고|고 |이에요|예요|이야|야|님|씨|[,.\s\n)]|$)",
        rf"(?<![가-힣])([{_KOREAN}][가-힣]{{1,2}})(?=\s?(?:씨|님|선생님|과장|부장|대리|팀장|교수|원장|사장)(?:[은는이가을를께의에과와도,.\s]|$))",
    )
)  # fmt: skip
_NOT_NAMES = frozenset(
    "皆 奥 お客 お母 お父 お兄 お姉 王 神 何 客 赤 高 店員 運転手 各位 皆様 同様 多様 仕様 模様 一様 王子 医者 高级 老师 高中".split()
)
_SCRIPTS = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")


def find_east_asian(text: str) -> Iterator[Hit]:
    """0.7."""
    if text.isascii() or not _SCRIPTS.search(text):
        return
    for form in _FORMS:
        for match in form.finditer(text):
            if match[1] not in _NOT_NAMES:
                yield Hit(ENTITY, 0.7, *match.span(1))
