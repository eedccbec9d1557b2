// The attributes of the drawn faces, in the order of vaelib/avatars.py: [without, with], as a face is said to be.
export const WORDS = {
  Smiling: ["not smiling", "smiling"],
  Eyeglasses: ["without glasses", "with glasses"],
  Blond_Hair: ["without blond hair", "with blond hair"],
  Beard: ["without a beard", "with a beard"],
  Wearing_Hat: ["without a hat", "with a hat"],
  Long_Hair: ["with short hair", "with long hair"],
  Narrow_Eyes: ["with open eyes", "with closed eyes"],
};
