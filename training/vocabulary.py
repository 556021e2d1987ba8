"""The words and sentences that the cases of `training.behaviours` are made of."""

from training.data import NEGATIVE, NEUTRAL, POSITIVE

THINGS = (
    *("film", "plot", "soundtrack", "ending", "book", "album", "lecture"),
    *("room", "breakfast", "pool", "tour", "flight", "service", "pizza", "soup"),
    *("jacket", "delivery", "packaging", "mattress", "blender"),
    *("phone", "battery", "screen", "camera", "charger", "keyboard"),
    *("app", "update", "search page", "sidebar", "documentation", "installer"),
)
PRAISE = ("good", "great", "excellent", "wonderful", "fantastic", "superb", "impressive")
BLAME = ("bad", "terrible", "awful", "horrible", "disappointing", "dreadful", "a disgrace")
# Words that can be negated: "not superb" is no clear blame.
MILD_PRAISE = ("good", "great", "impressive", "any good", "satisfying")
MILD_BLAME = ("bad", "terrible", "awful", "disappointing")
ASIDES = (
    *("after three weeks with it", "even though my whole family wanted to like it"),
    *("and I have tried a lot of them", "to be fair to everyone involved"),
    *("having read every review and waited for months", "and I say this as a loyal customer"),
)
NAMES = (
    *("Anna", "Mohammed", "Wei", "Lakisha", "Brad", "Priya", "Jose", "Fatima", "Svetlana", "Kwame"),
    *("Hans Richter", "Aisha Bello", "Juan Morales", "Emily Clark", "Nguyen Van Minh"),
    *("Rachel Cohen", "Dmitri Ivanov", "Jamal Washington", "Yuki Tanaka", "Donald Murphy"),
)
PLACES = (
    *("Paris", "Lagos", "Mumbai", "Ohio", "Seoul", "Leeds", "Kabul", "Chicago", "Moscow"),
    *("Baghdad", "Vienna", "Detroit", "Lima", "Texas", "Haiti", "Norway", "Wuhan", "Naples"),
)
GROUPS = (
    *("German", "Nigerian", "Mexican", "Chinese", "Polish", "Pakistani", "Canadian"),
    *("Muslim", "Jewish", "Christian", "Hindu", "gay", "straight", "black", "white", "Asian"),
    *("young", "old", "deaf", "blind"),
)
WORDS = {
    POSITIVE: (
        *("great", "excellent", "wonderful", "amazing", "superb", "perfect", "lovely", "brilliant"),
        *("fantastic", "delightful", "awesome", "beautiful", "impressive", "enjoyable", "thanks"),
        *("delicious", "charming", "outstanding", "fun", "happy", "recommended", "flawless"),
        *("masterpiece", "gorgeous", "love", "congratulations", "bravo", "hooray"),
    ),
    NEGATIVE: (
        *("awful", "terrible", "horrible", "boring", "useless", "broken", "disgusting", "worst"),
        *("disappointing", "rubbish", "garbage", "pathetic", "annoying", "dreadful", "hate"),
        *("ugly", "stupid", "defective", "mess", "disaster", "overpriced", "rude", "unusable"),
        *("nonsense", "angry", "sad", "scam", "fail"),
    ),
    NEUTRAL: (
        *("Tuesday", "table", "seven", "window", "October", "keyboard", "river", "the", "and"),
        *("Berlin", "station", "paragraph", "Monday", "metre", "bread", "email", "folder"),
        *("north", "ticket", "afternoon", "chair", "version", "between", "pencil", "yesterday"),
        *("blue", "street", "number"),
    ),
}
EMOJI = {
    POSITIVE: ("😍", "😊", "👍", "🎉", "🥰", "😁", "❤️", "👏"),
    NEGATIVE: ("😡", "😢", "👎", "💔", "🤮", "😠", "😞", "🤬"),
}
EMOTICONS = {POSITIVE: (":)", ":-)", ":D", "<3"), NEGATIVE: (":(", ":-(", ":'(", ">:(")}
HASHTAGS = {
    POSITIVE: ("#love", "#awesome", "#happy", "#amazing", "#bestever", "#lovedit", "#sogood"),
    NEGATIVE: ("#fail", "#disappointed", "#angry", "#worstever", "#ripoff", "#sad", "#hateit"),
}
# Second clauses, after "but".
VERDICTS = {
    POSITIVE: ("I am very happy with it", "in the end I loved it", "the rest is wonderful"),
    NEGATIVE: ("I want my money back", "in the end I was let down", "the rest is a disaster"),
}
# Templates of sentences without an opinion, and of some with one.
FACTS = (
    "We took the {number} o'clock train and sat near the door.",
    "The building has {number} floors and two lifts.",
    "My brother came along, and we met his colleague at the station.",
    "It was a {day} in {month}, and the shops closed at {number}.",
    "The first part is about a family that moves to {place}.",
    "There are {number} chapters, and each is named after a street.",
    "On {day} we walked from the hotel to the museum and back.",
    "The box contains a cable, a manual and {number} screws.",
    "The second part takes place {number} years later in {place}.",
    "Then the waiter brought the menu, which has {number} pages.",
    "The settings are on the left, and the list of files is on the right.",
    "In {month} the office moved from {place} to another street.",
    "He explains to her how the machine works, and she writes it down.",
    "The road goes past a lake, a petrol station and {number} farms.",
)
OPINIONS = {
    POSITIVE: (
        "The {thing} is {praise}, and I loved every minute of it.",
        "I enjoyed the {thing} far more than I had hoped.",
        "I am delighted with the {thing} and would recommend it to anyone.",
        "Everybody in our group was thrilled with the {thing}.",
    ),
    NEGATIVE: (
        "The {thing} is {blame}, and I regret every minute of it.",
        "I disliked the {thing} far more than I had feared.",
        "I am disgusted with the {thing} and would warn anyone against it.",
        "Everybody in our group was fed up with the {thing}.",
    ),
}
SLOTS: dict[str, tuple[str, ...]] = {
    "thing": THINGS,
    "praise": PRAISE,
    "blame": BLAME,
    "mild_praise": MILD_PRAISE,
    "mild_blame": MILD_BLAME,
    "aside": ASIDES,
    "place": PLACES,
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    "month": ("January", "March", "April", "June", "September", "November"),
    "number": ("three", "four", "five", "six", "eight", "nine", "eleven", "twelve"),
    "venue": ("museum", "library", "pool", "kitchen", "reception", "shop"),
    "item": ("ticket", "charger", "jacket", "manual", "spare key", "printer"),
    "work": ("film", "book", "song", "lecture", "play", "manual"),
    "device": ("phone", "laptop", "camera", "speaker", "router", "watch"),
    "colour": ("blue", "black", "green", "grey", "red"),
}
