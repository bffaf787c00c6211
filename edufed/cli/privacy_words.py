"""What `edufed audit privacy` says, in English and in Chinese."""

from __future__ import annotations

WORDS = {
    "title": (
        "What attackers gain: site {site}, job {job}",
        "攻击者能得到什么：站点 {site}，作业 {job}",
    ),
    "lead": (
        "Advantage over guessing: 0 is as good as guessing, 1 always right; in brackets the 95 % "
        "interval. An attack is measurable (*) where the interval lies above 0.",
        "相对于猜测的优势：0 表示与猜测无异，1 表示总是正确；方括号内为 95 % 区间。区间全部高于"
        " 0 时，攻击可测出效果（*）。",
    ),
    "attack": ("attack", "攻击"),
    "none": ("no defence", "无防护"),
    "secagg": ("secagg or he", "secagg 或 he"),
    "dp": ("dp, ε = {epsilon:g}", "dp，ε = {epsilon:g}"),
    "secagg_dp": ("secagg_dp, ε = {epsilon:g}", "secagg_dp，ε = {epsilon:g}"),
    "published": ("The published model", "公布的模型"),
    "model": (
        "Who trained and who was held back, told by the loss of the published model: {value}",
        "根据公布模型的损失区分谁参加了训练、谁被留作验证：{value}",
    ),
    "seen": ("What the coordinator sees in training", "协调方在训练中看到的内容"),
    "loss": ("membership, by loss", "推断成员（按损失）"),
    "shadows": (
        "membership, by {shadows} shadow models (LiRA)",
        "推断成员（{shadows} 个影子模型，LiRA）",
    ),
    "inversion": ("gradient inversion, batch of 4", "梯度反演（4 人一批）"),
    "property": ("many learners of a kind ({kind})", "某类学习者是否占多数（{kind}）"),
    "not_run": ("not run", "未运行"),
    "how": ("How it was measured", "如何测得"),
    "setting": (
        "{learners:,} learners of this site. Half of them were attacked; from the other half "
        "{others} more "
        "sites were drawn. Models were trained for {rounds} rounds; the defences with noise "
        "had ε = {epsilon:g}, "
        "δ = {delta:g} a learner.",
        "本站点的 {learners:,} 名学习者。其中一半受到攻击，另一半充当另外 {others} 个站点的学习"
        "者。模型训练 {rounds} 轮；"
        "加噪声的防护对每名学习者为 ε = {epsilon:g}，δ = {delta:g}。",
    ),
    "given": (
        "The attacker is given more than a coordinator has: the model, all settings, and the "
        "learners' "
        "rows; it asks who took part. With these methods a real one gains no more.",
        "攻击者得到的比协调方实有的更多：模型、全部设置、学习者的数据行；它要问的是谁参加了训练"
        "。用这些方法，真实的攻击者不会得到更多。",
    ),
    "verdict": ("Verdict", "结论"),
    "job": ("This job trained with privacy={privacy}.", "此作业训练时为 privacy={privacy}。"),
    "open": (
        "Measurable under what it trained with: {attacks}.",
        "在其训练所用的防护之下可测出效果的攻击：{attacks}。",
    ),
    "closed": (
        "No attack was measurable under what it trained with. That is no proof: others may do "
        "better.",
        "在其训练所用的防护之下，没有攻击可测出效果。这不是证明：别的攻击也许更好。",
    ),
    "partly": (
        "Time ran out before {missing} of {all} attacks; give more with minutes=.",
        "时间用完，{all} 项攻击中有 {missing} 项未运行；可用 minutes= 给更多时间。",
    ),
    "comma": (", ", "、"),
    "stranger": (
        "The model's description names no site {site}: who trained and who was held back is "
        "told by the "
        "job's split, as if this site had been one of them.",
        "模型说明中没有站点 {site}：谁参加训练、谁被留作验证按作业的划分计算，如同本站点是其中"
        "之一。",
    ),
    "defaults": (
        "No report of the job was found beside the model: rounds, learning rate and split are "
        "the defaults. "
        "Name its report.json with report=.",
        "模型旁边没有找到作业的报告：轮数、学习率和划分用默认值。可用 report= 指明其 report.json。",
    ),
}


def say(key: str, language: str, **values: object) -> str:
    """Return a phrase in "en" or "zh", its places filled."""
    return WORDS[key][language == "zh"].format(**values)
