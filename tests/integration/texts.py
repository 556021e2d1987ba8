"""Texts for the tests, written for this project."""

TEXTS = (
    "A gripping, beautifully shot film.",
    "Two hours I will never get back.",
    "The cast is charming and the jokes land.",
    "Wooden acting, a muddled plot and an ending that cheats.",
    "I laughed, I cried, and I want to see it again.",
    "It looks cheap and sounds worse.",
    "Slow to start, but the finish is wonderful!",
    "Not even the soundtrack could save this mess.",
    "Funny, warm and wise.",
    "I was bored from beginning to end.",
    "A small masterpiece of timing and tenderness. " * 12,
    "The hero is dull, the villain is duller, and the dialogue is dullest of all. " * 12,
)
# Their labels, which every engine gives with a score of 0.85 or more.
LABELS = ("POSITIVE", "NEGATIVE") * 6
